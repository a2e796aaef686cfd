/*
 * TCP: connects to the first address that answers (RFC 8305, simplified: families take
 * turns, a new attempt every 250 ms or when one fails), and moves bytes without blocking.
 * Plain text is for loopback alone, and it is the address that decides, not the name.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolve.h"
#include "stream.h"
#include "util/clock.h"

#define STAGGER_MS 250
/* More addresses than any mail host has; a name with thousands costs no more. */
#define ATTEMPTS_MAX 16

struct tcp {
	struct imap_stream stream;
	int fd;
};

/* ---- moving bytes ---------------------------------------------------------- */

static ssize_t tcp_read(struct imap_stream *stream, void *data, size_t len)
{
	struct tcp *tcp = (struct tcp *)stream;
	ssize_t got;

	do
		got = recv(tcp->fd, data, len, 0);
	while (got < 0 && errno == EINTR);
	if (got >= 0)
		return got;
	stream->want = POLLIN;
	return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

static ssize_t tcp_write(struct imap_stream *stream, const void *data, size_t len)
{
	struct tcp *tcp = (struct tcp *)stream;
	ssize_t sent;

	do
		sent = send(tcp->fd, data, len, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	stream->want = POLLOUT;
	return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

static void tcp_free(struct imap_stream *stream)
{
	struct tcp *tcp = (struct tcp *)stream;

	close(tcp->fd);
	free(tcp);
}

static const struct imap_stream_ops tcp_ops = { tcp_read, tcp_write, tcp_free };

/* ---- addresses ------------------------------------------------------------- */

static bool address_is_loopback(const struct sockaddr *address)
{
	const struct in6_addr *v6;

	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
	if (address->sa_family != AF_INET6)
		return false;
	v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
	if (IN6_IS_ADDR_V4MAPPED(v6))
		return v6->s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(v6);
}

static void address_text(const struct addrinfo *address, char *buf, size_t size)
{
	if (getnameinfo(address->ai_addr, address->ai_addrlen, buf, (socklen_t)size, NULL, 0,
			NI_NUMERICHOST))
		buf[0] = '\0';
}

/* The families take turns, beginning with the one that is preferred here. */
static size_t addresses_order(struct addrinfo *list,
			      struct addrinfo *ret_order[static ATTEMPTS_MAX])
{
	struct addrinfo *next[2] = { list, list }; /* of the first family; of the others */
	int first = list->ai_family;
	size_t count = 0;

	while (count < ATTEMPTS_MAX) {
		size_t turn = count % 2;

		while (next[0] && next[0]->ai_family != first)
			next[0] = next[0]->ai_next;
		while (next[1] && next[1]->ai_family == first)
			next[1] = next[1]->ai_next;
		if (!next[0] && !next[1])
			break;
		if (!next[turn])
			turn = !turn;
		ret_order[count++] = next[turn];
		next[turn] = next[turn]->ai_next;
	}
	return count;
}

/* ---- the race -------------------------------------------------------------- */

struct race {
	struct addrinfo *order[ATTEMPTS_MAX];
	struct pollfd fds[ATTEMPTS_MAX + 1]; /* the last is stop_fd */
	size_t count, started, failed;
	int64_t next_ms;
	int error; /* of the attempt that failed last */
};

static void race_fail(struct race *race, size_t i, int error)
{
	if (race->fds[i].fd >= 0)
		close(race->fds[i].fd);
	race->fds[i].fd = -1;
	race->failed++;
	race->error = error;
	race->next_ms = 0;
}

static void race_start_next(struct race *race, int64_t now_ms)
{
	size_t i = race->started++;
	struct addrinfo *address = race->order[i];
	int fd, one = 1;

	race->next_ms = now_ms + STAGGER_MS;
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    address->ai_protocol);
	race->fds[i] = (struct pollfd){ .fd = fd, .events = POLLOUT };
	if (fd < 0) {
		race_fail(race, i, -errno);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (connect(fd, address->ai_addr, address->ai_addrlen) && errno != EINPROGRESS)
		race_fail(race, i, -errno);
}

static int race_winner(struct race *race)
{
	for (size_t i = 0; i < race->started; i++) {
		socklen_t size = sizeof(int);
		int error = 0;

		if (race->fds[i].fd < 0 || !race->fds[i].revents)
			continue;
		if (getsockopt(race->fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &size))
			error = errno;
		if (!error)
			return (int)i;
		race_fail(race, i, -error);
	}
	return -1;
}

/* The index of the address that answered, or -errno. */
static int race_run(struct race *race, int64_t deadline_ms, int stop_fd)
{
	for (;;) {
		int64_t now = clock_ms(), wait;
		int winner;

		while (race->started < race->count &&
		       (now >= race->next_ms || race->failed == race->started))
			race_start_next(race, now);
		if (race->failed == race->count)
			return race->error;
		if (now >= deadline_ms)
			return -ETIMEDOUT;
		wait = deadline_ms - now;
		if (race->started < race->count && race->next_ms - now < wait)
			wait = race->next_ms - now;
		race->fds[race->started] = (struct pollfd){ .fd = stop_fd, .events = POLLIN };
		if (poll(race->fds, race->started + 1, (int)wait) < 0 && errno != EINTR)
			return -errno;
		if (race->fds[race->started].revents)
			return -ECANCELED;
		winner = race_winner(race);
		if (winner >= 0)
			return winner;
	}
}

static void race_close(struct race *race, int keep)
{
	for (size_t i = 0; i < race->started; i++)
		if ((int)i != keep && race->fds[i].fd >= 0)
			close(race->fds[i].fd);
}

/* ---- opening --------------------------------------------------------------- */

static int tcp_resolve(const struct stream_tcp_params *params, struct addrinfo **ret_list,
		       char **ret_error)
{
	int err = resolve_host(params->host, params->port, params->deadline_ms, params->stop_fd,
			       ret_list);
	const char *why;

	if (!err)
		return 0;
	switch (err) {
	case -ENOENT: why = "no such host"; break;
	case -EAGAIN:
		why = "the name service does not answer";
		err = -EHOSTUNREACH;
		break;
	case -ETIMEDOUT: why = "the name service does not answer in time"; break;
	case -ECANCELED: why = "interrupted"; break;
	default: why = stream_strerror(err); break;
	}
	return stream_fail(ret_error, err, "cannot connect to %s:%s: %s", params->host,
			   params->port, why);
}

/* Leaves only loopback addresses; -EPERM when there are none. */
static int keep_loopback(const struct stream_tcp_params *params, struct race *race,
			 char **ret_error)
{
	char text[64];
	size_t kept = 0;

	address_text(race->order[0], text, sizeof(text));
	for (size_t i = 0; i < race->count; i++)
		if (address_is_loopback(race->order[i]->ai_addr))
			race->order[kept++] = race->order[i];
	race->count = kept;
	if (kept)
		return 0;
	return stream_fail(ret_error, -EPERM,
			   "tls=off is for servers on this machine alone, not for %s (%s): use TLS",
			   params->host, text);
}

static int known_error(int error)
{
	switch (error) {
	case -ETIMEDOUT:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ECANCELED:
	case -ENOMEM: return error;
	default: return -EHOSTUNREACH;
	}
}

static int tcp_race(const struct stream_tcp_params *params, struct addrinfo *list, int *ret_fd,
		    struct stream_tcp_facts *facts, char **ret_error)
{
	struct race race = { .count = 0 };
	int winner, err;

	race.count = addresses_order(list, race.order);
	if (params->loopback_only) {
		err = keep_loopback(params, &race, ret_error);
		if (err)
			return err;
	}
	winner = race_run(&race, params->deadline_ms, params->stop_fd);
	race_close(&race, winner);
	if (winner < 0)
		return stream_fail(ret_error, known_error(winner), "cannot connect to %s:%s: %s",
				   params->host, params->port,
				   winner == -ECANCELED ? "interrupted" : stream_strerror(winner));
	facts->loopback = address_is_loopback(race.order[winner]->ai_addr);
	address_text(race.order[winner], facts->peer, sizeof(facts->peer));
	*ret_fd = race.fds[winner].fd;
	return 0;
}

int stream_tcp_open(const struct stream_tcp_params *params, struct imap_stream **ret_stream,
		    struct stream_tcp_facts *ret_facts, char **ret_error)
{
	struct stream_tcp_facts facts = { .fd = -1 };
	struct addrinfo *list;
	struct tcp *tcp;
	int err;

	err = tcp_resolve(params, &list, ret_error);
	if (err)
		return err;
	err = tcp_race(params, list, &facts.fd, &facts, ret_error);
	freeaddrinfo(list);
	if (err)
		return err;
	tcp = calloc(1, sizeof(*tcp));
	if (!tcp) {
		close(facts.fd);
		return -ENOMEM;
	}
	tcp->stream.ops = &tcp_ops;
	tcp->fd = facts.fd;
	*ret_stream = &tcp->stream;
	*ret_facts = facts;
	return 0;
}
