/*
 * rawfetch: how fast can this server hand out a mailbox at all?
 *
 * Connects with TLS, LOGIN, EXAMINE, sends one UID FETCH and throws the answer
 * away, then LOGOUT. Literals are skipped without looking at them, so next to
 * nothing of the time is ours: this is the limit the other clients are held to.
 * Prints the time of every phase as one line of JSON. It is a measuring tool for
 * a server of one's own, not a client: any surprise ends it with a message.
 *
 * cc -O2 -o rawfetch rawfetch.c -lssl -lcrypto
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE (256 * 1024)
#define LINE_MAX_BYTES (1024 * 1024)

struct options {
	const char *host, *port, *ca, *user, *password_file, *mailbox, *set, *items;
	bool ping;
};

struct reader {
	SSL *ssl;
	char buf[READ_SIZE];
	size_t pos, len;
	char line[LINE_MAX_BYTES];
	size_t line_len;
	uint64_t received;
};

static struct reader reader;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("rawfetch: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double cpu_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int tcp_connect(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	int fd = -1, one = 1, rc = getaddrinfo(host, port, &hints, &list);

	if (rc)
		die("%s: %s", host, gai_strerror(rc));
	for (ai = list; ai && fd < 0; ai = ai->ai_next) {
		fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen)) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		die("%s port %s: %s", host, port, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static SSL *tls_start(const struct options *opt, int fd)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	if (!ctx || SSL_CTX_load_verify_locations(ctx, opt->ca, NULL) != 1)
		die("cannot load %s", opt->ca);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	ssl = SSL_new(ctx);
	if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_set1_host(ssl, opt->host) != 1 ||
	    SSL_set_tlsext_host_name(ssl, opt->host) != 1)
		die("cannot set up TLS");
	if (SSL_connect(ssl) != 1)
		die("TLS: %s", ERR_reason_error_string(ERR_get_error()));
	return ssl;
}

static void reader_fill(struct reader *r)
{
	int n = SSL_read(r->ssl, r->buf, sizeof(r->buf));

	if (n <= 0)
		die("the server closed the connection");
	r->pos = 0;
	r->len = (size_t)n;
	r->received += (uint64_t)n;
}

static void reader_skip(struct reader *r, uint64_t n)
{
	while (n) {
		size_t have = r->len - r->pos;

		if (!have) {
			reader_fill(r);
			continue;
		}
		if (have > n)
			have = (size_t)n;
		r->pos += have;
		n -= have;
	}
}

/* Appends up to and including the next LF to r->line. */
static void reader_line(struct reader *r)
{
	for (;;) {
		const char *start = r->buf + r->pos, *lf;
		size_t n = r->len - r->pos;

		if (!n) {
			reader_fill(r);
			continue;
		}
		lf = memchr(start, '\n', n);
		if (lf)
			n = (size_t)(lf - start) + 1;
		if (r->line_len + n >= sizeof(r->line))
			die("a line of more than %d bytes", LINE_MAX_BYTES);
		memcpy(r->line + r->line_len, start, n);
		r->line_len += n;
		r->pos += n;
		if (lf)
			break;
	}
	r->line[r->line_len] = '\0';
}

/* The length of the literal that the line announces at its end, else -1. */
static int64_t literal_at_end(const char *line, size_t len)
{
	const char *p = line + len;
	int64_t n = 0, unit = 1;

	if (len < 5 || memcmp(p - 3, "}\r\n", 3))
		return -1;
	for (p -= 4; p > line && *p >= '0' && *p <= '9' && unit < INT64_C(1000000000000); p--) {
		n += (*p - '0') * unit;
		unit *= 10;
	}
	return unit > 1 && *p == '{' ? n : -1;
}

/* One whole response; of one with literals, line holds the text around them. */
static const char *reader_response(struct reader *r)
{
	r->line_len = 0;
	for (;;) {
		int64_t literal;

		reader_line(r);
		literal = literal_at_end(r->line, r->line_len);
		if (literal < 0)
			return r->line;
		reader_skip(r, (uint64_t)literal);
	}
}

static void command_send(struct reader *r, const char *text)
{
	char out[4096];
	int n = snprintf(out, sizeof(out), "A %s\r\n", text);

	if (n < 0 || (size_t)n >= sizeof(out))
		die("command too long");
	if (SSL_write(r->ssl, out, n) != n)
		die("cannot send");
}

/* Reads until the tagged answer; returns how many FETCH responses came before. */
static uint64_t command_finish(struct reader *r, const char *what)
{
	uint64_t fetched = 0;

	for (;;) {
		const char *line = reader_response(r);

		if (line[0] == '*') {
			const char *p = line + 2;

			p += strspn(p, "0123456789");
			fetched += !strncmp(p, " FETCH (", 8);
		} else if (!strncmp(line, "A ", 2)) {
			if (strncmp(line + 2, "OK", 2))
				die("%s: %s", what, line + 2);
			return fetched;
		}
	}
}

static uint64_t command(struct reader *r, const char *what, const char *text)
{
	command_send(r, text);
	return command_finish(r, what);
}

static void password_read(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");

	if (!f || !fgets(out, (int)size, f))
		die("cannot read %s", path);
	fclose(f);
	out[strcspn(out, "\r\n")] = '\0';
	if (strpbrk(out, "\"\\"))
		die("%s: a password without quotes and backslashes, please", path);
}

static struct options options_parse(int argc, char **argv)
{
	struct options opt = { .host = "localhost",
			       .user = "u1",
			       .mailbox = "INBOX",
			       .set = "1:*",
			       .items = "(BODY.PEEK[])" };
	int c;

	while ((c = getopt(argc, argv, "h:p:A:u:f:m:s:i:n")) != -1) {
		switch (c) {
		case 'h': opt.host = optarg; break;
		case 'p': opt.port = optarg; break;
		case 'A': opt.ca = optarg; break;
		case 'u': opt.user = optarg; break;
		case 'f': opt.password_file = optarg; break;
		case 'm': opt.mailbox = optarg; break;
		case 's': opt.set = optarg; break;
		case 'i': opt.items = optarg; break;
		case 'n': opt.ping = true; break;
		default: exit(2);
		}
	}
	if (!opt.port || !opt.ca || !opt.password_file) {
		fputs("usage: rawfetch -p PORT -A CA.pem -f PASSWORD_FILE [-h HOST] [-u USER]\n"
		      "                [-m MAILBOX] [-s UIDSET] [-i ITEMS] [-n (time a NOOP)]\n",
		      stderr);
		exit(2);
	}
	return opt;
}

int main(int argc, char **argv)
{
	struct options opt = options_parse(argc, argv);
	struct reader *r = &reader;
	char password[256], text[2048];
	double t_start, t_tcp, t_tls, t_greeting, t_login, t_examine, t_ping, t_fetch, t_end;
	double cpu_before, cpu_fetch;
	uint64_t messages, bytes_before, bytes;
	int fd;

	password_read(opt.password_file, password, sizeof(password));
	t_start = now_s();
	fd = tcp_connect(opt.host, opt.port);
	t_tcp = now_s();
	r->ssl = tls_start(&opt, fd);
	t_tls = now_s();
	reader_response(r);
	t_greeting = now_s();
	snprintf(text, sizeof(text), "LOGIN \"%s\" \"%s\"", opt.user, password);
	command(r, "LOGIN", text);
	t_login = now_s();
	snprintf(text, sizeof(text), "EXAMINE \"%s\"", opt.mailbox);
	command(r, "EXAMINE", text);
	t_examine = now_s();
	if (opt.ping)
		command(r, "NOOP", "NOOP");
	t_ping = now_s();

	cpu_before = cpu_s();
	bytes_before = r->received;
	snprintf(text, sizeof(text), "UID FETCH %s %s", opt.set, opt.items);
	messages = command(r, "FETCH", text);
	bytes = r->received - bytes_before;
	cpu_fetch = cpu_s() - cpu_before;
	t_fetch = now_s();

	command(r, "LOGOUT", "LOGOUT");
	t_end = now_s();
	printf("{\"messages\": %llu, \"bytes\": %llu, \"connect_s\": %.6f, \"tls_s\": %.6f, "
	       "\"greeting_s\": %.6f, \"login_s\": %.6f, \"examine_s\": %.6f, \"noop_s\": %.6f, "
	       "\"fetch_s\": %.6f, \"logout_s\": %.6f, \"total_s\": %.6f, \"fetch_cpu_s\": %.6f}\n",
	       (unsigned long long)messages, (unsigned long long)bytes, t_tcp - t_start,
	       t_tls - t_tcp, t_greeting - t_tls, t_login - t_greeting, t_examine - t_login,
	       t_ping - t_examine, t_fetch - t_ping, t_end - t_fetch, t_end - t_start, cpu_fetch);
	SSL_free(r->ssl);
	close(fd);
	return 0;
}
