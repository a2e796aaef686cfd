/* Inside of a connection, for conn.c (moves bytes) and conn_open.c (sets it up). */
#ifndef IMAP_CONN_IMPL_H
#define IMAP_CONN_IMPL_H

#include <imap/conn.h>

#include "stream.h"
#include "trace.h"
#include "util/attr.h"

/* What is read from the socket at once, at most. */
#define CONN_CHUNK (256u * 1024)

struct imap_conn {
	struct imap_proto *proto;
	struct imap_stream *stream;
	struct trace *trace; /* or NULL */
	int fd, stop_fd, timeout_ms;
	char *host, *port;
	bool secured, loopback, preauth;
	bool plain_ok;    /* tls=off: what the peer says may be shown without TLS */
	bool logging_out; /* BYE is what we want */
	bool read_write;  /* SELECT, not EXAMINE, was the last */
	char peer[64];

	bool (*event)(void *user, const struct imap_event *event);
	void *user;

	int error; /* final */
	char error_text[768];
	int64_t moved_ms;    /* the last byte in either direction */
	int64_t heard_ms;    /* the last byte that came */
	int64_t progress_ms; /* when proto's progress was last seen to grow */
	int64_t stop_ms;     /* when stop_fd was last looked at */
	uint64_t progress;
	uint64_t bytes_in, bytes_out;

	char heard[80]; /* the first bytes of the peer, for "does not speak IMAP" */
	size_t heard_len;
	char *chunk; /* CONN_CHUNK */
};

/* Makes `error` final (the first one stays) and returns it. */
int conn_fail(struct imap_conn *conn, int error, const char *fmt, ...) ATTR_PRINTF(3, 4);
/* Sends and reads what can be without waiting; else waits for the socket until `deadline_ms`.
 * 0, -ETIMEDOUT (not final yet) or a final error. */
int conn_step(struct imap_conn *conn, int64_t deadline_ms);
/* Waits for the socket to become ready as `want` says (POLLIN, POLLOUT). Same results. */
int conn_sleep(struct imap_conn *conn, short want, int64_t deadline_ms);
/* Until done, or `deadline_ms`, which is final then. */
int conn_wait_until(struct imap_conn *conn, const bool *done, int64_t deadline_ms);
/* Until done, or silent for `silence_ms`, which is final then. */
int conn_wait_silence(struct imap_conn *conn, const struct imap_request *request,
		      int64_t silence_ms);
/* The server closed the stream or said BYE. */
int conn_closed(struct imap_conn *conn);

#endif
