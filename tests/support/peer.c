/* The scripted server and its certificates. Everything here aborts when the machine itself does not work. */
#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define LINKS_MAX 64

#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "peer: %s failed\n", #x);                                  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct peer_link {
	struct peer *peer;
	unsigned nth;
	int fd;
	SSL *ssl;
	pthread_t thread;
	char buf[16384];
	size_t len;
};

struct peer {
	int fd;
	char port[8];
	bool implicit;
	SSL_CTX *context;
	char fingerprint[80];
	peer_script *script;
	void *user;
	pthread_t thread;
	pthread_mutex_t lock;
	struct peer_link *links[LINKS_MAX]; /* guarded by lock */
	unsigned count;                     /* guarded by lock */
};

/* ---- certificates ---------------------------------------------------------- */

struct authority {
	EVP_PKEY *key;
	X509 *cert;
};

static struct authority authorities[2]; /* the trusted one, and another */
static char ca_path[] = "/tmp/imapfs-peer-ca-XXXXXX";
static pthread_once_t ca_once = PTHREAD_ONCE_INIT;

static void extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	MUST(ext);
	MUST(X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

static X509 *cert_new(EVP_PKEY *key, const char *name, const char *names,
		      const struct authority *issuer, long days)
{
	static long serial = 1000;
	X509 *cert = X509_new();

	MUST(cert);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(cert), -86400L * 10);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400L * days);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer->cert : cert));
	if (names)
		extension(cert, issuer ? issuer->cert : cert, NID_subject_alt_name, names);
	else
		extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
	MUST(X509_sign(cert, issuer ? issuer->key : key, EVP_sha256()));
	return cert;
}

static void authorities_free(void)
{
	for (size_t i = 0; i < 2; i++) {
		EVP_PKEY_free(authorities[i].key);
		X509_free(authorities[i].cert);
	}
	unlink(ca_path);
}

static void authorities_make(void)
{
	FILE *file;
	int fd;

	for (size_t i = 0; i < 2; i++) {
		authorities[i].key = EVP_EC_gen("P-256");
		MUST(authorities[i].key);
		authorities[i].cert = cert_new(authorities[i].key,
					       i ? "nobody's authority" : "test authority", NULL,
					       NULL, 30);
	}
	fd = mkstemp(ca_path);
	MUST(fd >= 0);
	file = fdopen(fd, "w");
	MUST(file && PEM_write_X509(file, authorities[0].cert));
	fclose(file);
	atexit(authorities_free);
}

const char *peer_ca_file(void)
{
	pthread_once(&ca_once, authorities_make);
	return ca_path;
}

static void context_make(struct peer *peer, enum peer_cert kind)
{
	static const struct {
		const char *names;
		int authority; /* -1: itself */
		long days;
	} kinds[] = {
		[PEER_CERT_GOOD] = { "DNS:localhost,IP:127.0.0.1", 0, 30 },
		[PEER_CERT_WRONG_NAME] = { "DNS:mail.example.org,DNS:imap.example.org", 0, 30 },
		[PEER_CERT_NAME_ONLY] = { "DNS:localhost", 0, 30 },
		[PEER_CERT_WILDCARD] = { "DNS:*.example.org,DNS:*", 0, 30 },
		[PEER_CERT_EXPIRED] = { "DNS:localhost,IP:127.0.0.1", 0, -1 },
		[PEER_CERT_UNTRUSTED] = { "DNS:localhost,IP:127.0.0.1", 1, 30 },
		[PEER_CERT_SELF_SIGNED] = { "DNS:localhost,IP:127.0.0.1", -1, 30 },
	};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	unsigned char digest[32];
	unsigned int len = sizeof(digest);
	X509 *cert;
	int at;

	MUST(key);
	cert = cert_new(key, "peer", kinds[kind].names,
			kinds[kind].authority < 0 ? NULL : &authorities[kinds[kind].authority],
			kinds[kind].days);
	peer->context = SSL_CTX_new(TLS_server_method());
	MUST(peer->context);
	MUST(SSL_CTX_use_certificate(peer->context, cert) == 1);
	MUST(SSL_CTX_use_PrivateKey(peer->context, key) == 1);
	MUST(X509_digest(cert, EVP_sha256(), digest, &len));
	at = snprintf(peer->fingerprint, sizeof(peer->fingerprint), "sha256:");
	for (size_t i = 0; i < sizeof(digest); i++)
		at += snprintf(peer->fingerprint + at, sizeof(peer->fingerprint) - (size_t)at,
			       "%02X", digest[i]);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* ---- talking --------------------------------------------------------------- */

bool peer_send(struct peer_link *link, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		size_t sent = 0;
		ssize_t got;

		if (link->ssl) {
			if (SSL_write_ex(link->ssl, at, len, &sent) != 1)
				return false;
		} else {
			got = send(link->fd, at, len, MSG_NOSIGNAL);
			if (got <= 0)
				return false;
			sent = (size_t)got;
		}
		at += sent;
		len -= sent;
	}
	return true;
}

bool peer_say(struct peer_link *link, const char *fmt, ...)
{
	va_list args;
	char *text;
	bool good;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	MUST(len >= 0);
	good = peer_send(link, text, (size_t)len);
	free(text);
	return good;
}

static bool more(struct peer_link *link)
{
	size_t room = sizeof(link->buf) - link->len, got = 0;
	ssize_t n;

	if (!room)
		return false;
	if (link->ssl) {
		if (SSL_read_ex(link->ssl, link->buf + link->len, room, &got) != 1)
			return false;
	} else {
		n = recv(link->fd, link->buf + link->len, room, 0);
		if (n <= 0)
			return false;
		got = (size_t)n;
	}
	link->len += got;
	return true;
}

bool peer_line(struct peer_link *link, char *line, size_t size)
{
	char *end;
	size_t len;

	while (!(end = memmem(link->buf, link->len, "\r\n", 2)))
		if (!more(link))
			return false;
	len = (size_t)(end - link->buf);
	MUST(len < size);
	memcpy(line, link->buf, len);
	line[len] = '\0';
	link->len -= len + 2;
	memmove(link->buf, end + 2, link->len);
	return true;
}

bool peer_command(struct peer_link *link, char tag[static 32], char *line, size_t size)
{
	char *space;

	if (!peer_line(link, line, size))
		return false;
	space = strchr(line, ' ');
	MUST(space && space - line < 32);
	memcpy(tag, line, (size_t)(space - line));
	tag[space - line] = '\0';
	memmove(line, space + 1, strlen(space));
	return true;
}

bool peer_starttls(struct peer_link *link)
{
	link->ssl = SSL_new(link->peer->context);
	MUST(link->ssl && SSL_set_fd(link->ssl, link->fd) == 1);
	return SSL_accept(link->ssl) == 1;
}

void peer_hang(struct peer_link *link)
{
	char byte;

	while (recv(link->fd, &byte, 1, 0) > 0)
		;
}

void peer_reset(struct peer_link *link)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(link->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* ---- an ordinary server ---------------------------------------------------- */

bool peer_greet(struct peer_link *link)
{
	return peer_say(link, "* OK [CAPABILITY IMAP4rev1 ID NAMESPACE UNSELECT] ready\r\n");
}

bool peer_serve_one(struct peer_link *link)
{
	return peer_serve_but(link, "");
}

bool peer_serve_but(struct peer_link *link, const char *word)
{
	char tag[32], line[9000];

	return peer_command(link, tag, line, sizeof(line)) && strcmp(line, word) &&
	       peer_answer(link, tag, line);
}

bool peer_answer(struct peer_link *link, const char *tag, const char *line)
{
	if (!strncmp(line, "CAPABILITY", 10))
		return peer_say(link,
				"* CAPABILITY IMAP4rev1 ID NAMESPACE UNSELECT\r\n%s OK done\r\n",
				tag);
	if (!strncmp(line, "LOGIN ", 6))
		return peer_say(
			link,
			strcmp(line, "LOGIN \"u\" \"p\"")
				? "%s NO [AUTHENTICATIONFAILED] wrong\r\n"
				: "%s OK [CAPABILITY IMAP4rev1 ID NAMESPACE UNSELECT] in\r\n",
			tag);
	if (!strncmp(line, "ID ", 3))
		return peer_say(
			link, "* ID (\"name\" \"Peer\" \"version\" \"1\")\r\n%s OK done\r\n", tag);
	if (!strcmp(line, "NAMESPACE"))
		return peer_say(
			link,
			"* NAMESPACE ((\"\" \"/\")) NIL ((\"Public/\" \"/\"))\r\n%s OK done\r\n",
			tag);
	if (!strcmp(line, "EXAMINE absent"))
		return peer_say(link, "%s NO [NONEXISTENT] there is none\r\n", tag);
	if (!strncmp(line, "EXAMINE ", 8))
		return peer_say(link,
				"* 3 EXISTS\r\n* 1 RECENT\r\n* OK [UIDVALIDITY 7] v\r\n* OK "
				"[UIDNEXT 9] n\r\n"
				"%s OK [READ-ONLY] done\r\n",
				tag);
	if (!strcmp(line, "LOGOUT")) {
		peer_say(link, "* BYE bye\r\n%s OK done\r\n", tag);
		return false;
	}
	return peer_say(link, "%s OK done\r\n", tag);
}

void peer_serve(struct peer_link *link)
{
	while (peer_serve_one(link))
		;
}

/* ---- threads --------------------------------------------------------------- */

static void *link_thread(void *arg)
{
	struct peer_link *link = arg;

	if (!link->peer->implicit || peer_starttls(link))
		link->peer->script(link, link->nth, link->peer->user);
	if (link->ssl)
		SSL_shutdown(link->ssl);
	/* The descriptor stays ours until peer_stop(); a RST goes out by closing it. */
	pthread_mutex_lock(&link->peer->lock);
	close(link->fd);
	link->fd = -1;
	pthread_mutex_unlock(&link->peer->lock);
	return NULL;
}

static void *peer_thread(void *arg)
{
	struct peer *peer = arg;
	int fd;

	while ((fd = accept(peer->fd, NULL, NULL)) >= 0) {
		struct peer_link *link = calloc(1, sizeof(*link));

		MUST(link);
		link->peer = peer;
		link->fd = fd;
		pthread_mutex_lock(&peer->lock);
		MUST(peer->count < LINKS_MAX);
		link->nth = peer->count;
		peer->links[peer->count++] = link;
		MUST(!pthread_create(&link->thread, NULL, link_thread, link));
		pthread_mutex_unlock(&peer->lock);
	}
	return NULL;
}

struct peer *peer_start(enum peer_cert cert, bool implicit, peer_script *script, void *user)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	struct peer *peer = calloc(1, sizeof(*peer));

	MUST(peer);
	signal(SIGPIPE, SIG_IGN); /* SSL_write() of the peer; the client must not need it */
	peer_ca_file();
	peer->implicit = implicit;
	peer->script = script;
	peer->user = user;
	if (cert != PEER_CERT_NONE)
		context_make(peer, cert);
	pthread_mutex_init(&peer->lock, NULL);
	peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(peer->fd >= 0);
	MUST(!bind(peer->fd, (struct sockaddr *)&address, size) && !listen(peer->fd, 16));
	MUST(!getsockname(peer->fd, (struct sockaddr *)&address, &size));
	snprintf(peer->port, sizeof(peer->port), "%u", ntohs(address.sin_port));
	MUST(!pthread_create(&peer->thread, NULL, peer_thread, peer));
	return peer;
}

void peer_stop(struct peer *peer)
{
	shutdown(peer->fd, SHUT_RDWR);
	pthread_join(peer->thread, NULL);
	close(peer->fd);
	for (unsigned i = 0; i < peer->count; i++) {
		struct peer_link *link = peer->links[i];

		pthread_mutex_lock(&peer->lock);
		if (link->fd >= 0)
			shutdown(link->fd, SHUT_RDWR);
		pthread_mutex_unlock(&peer->lock);
		pthread_join(link->thread, NULL);
		SSL_free(link->ssl);
		free(link);
	}
	SSL_CTX_free(peer->context);
	pthread_mutex_destroy(&peer->lock);
	free(peer);
}

const char *peer_port(const struct peer *peer)
{
	return peer->port;
}

const char *peer_fingerprint(const struct peer *peer)
{
	return peer->fingerprint;
}

unsigned peer_connections(struct peer *peer)
{
	unsigned count;

	pthread_mutex_lock(&peer->lock);
	count = peer->count;
	pthread_mutex_unlock(&peer->lock);
	return count;
}
