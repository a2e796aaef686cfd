/*
 * A stream of bytes that never blocks, and may stand on another one. -EAGAIN says
 * that `want` (POLLIN or POLLOUT) of the socket has to be waited for.
 */
#ifndef IMAP_STREAM_H
#define IMAP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/attr.h"

struct imap_stream;

struct imap_stream_ops {
	/* > 0: so many bytes; 0: the peer closed; -EAGAIN; or -errno */
	ssize_t (*read)(struct imap_stream *stream, void *data, size_t len);
	ssize_t (*write)(struct imap_stream *stream, const void *data, size_t len);
	void (*free)(struct imap_stream *stream); /* with those below */
};

struct imap_stream {
	const struct imap_stream_ops *ops;
	short want;
};

static inline ssize_t stream_read(struct imap_stream *stream, void *data, size_t len)
{
	return stream->ops->read(stream, data, len);
}

static inline ssize_t stream_write(struct imap_stream *stream, const void *data, size_t len)
{
	return stream->ops->write(stream, data, len);
}

void stream_free(struct imap_stream **stream);
/* Replaces *ret_error (owned, may be NULL when out of memory) and returns `error`. */
int stream_fail(char **ret_error, int error, const char *fmt, ...) ATTR_PRINTF(3, 4);
/* A system error as a person says it: "connection refused". */
const char *stream_strerror(int error);

/* ---- tcp ------------------------------------------------------------------- */

struct stream_tcp_params {
	const char *host, *port;
	bool loopback_only;
	int64_t deadline_ms;
	int stop_fd;
};

struct stream_tcp_facts {
	int fd;
	bool loopback;
	char peer[64]; /* the address in figures */
};

/* Tries every address (RFC 8305, simplified). The errors are those of imap_conn_open(). */
int stream_tcp_open(const struct stream_tcp_params *params, struct imap_stream **ret_stream,
		    struct stream_tcp_facts *ret_facts, char **ret_error);

/* ---- tls ------------------------------------------------------------------- */

struct stream_tls_params {
	const char *host, *port;
	const char *ca_file, *ca_dir, *fingerprint, *cert_file, *key_file;
};

/* Puts TLS on `lower` (taken, also on failure); the handshake is still to be done. */
int stream_tls_new(const struct stream_tls_params *params, struct imap_stream *lower,
		   struct imap_stream **ret_stream, char **ret_error);
/* 0: done and the peer is who it should be; -EAGAIN; or a final error. */
int stream_tls_handshake(struct imap_stream *stream, char **ret_error);
const char *stream_tls_version(struct imap_stream *stream);
const char *stream_tls_cipher(struct imap_stream *stream);

#endif
