/*
 * Moves bytes between the machine and the stream, and decides when waiting is over:
 * silence, chatter that gets nothing done, the stop descriptor, the end of the stream.
 * After the first error nothing is read or sent any more.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <imap/limits.h>
#include <imap/text.h>

#include "conn_impl.h"
#include "util/clock.h"
#include "util/slice.h"

/* A server that only chats is given up after so many timeouts. */
#define CHATTER_TIMEOUTS 10
/* After a BYE the end is near, or the server is broken. */
#define BYE_MS 2000
/* stop_fd is looked at this often while bytes keep coming. */
#define STOP_EVERY_MS 100
#define OUTPUT_HIGH (IMAP_LIMIT_OUTPUT / 8)

int conn_fail(struct imap_conn *conn, int error, const char *fmt, ...)
{
	va_list args;

	if (conn->error)
		return conn->error;
	conn->error = error;
	va_start(args, fmt);
	vsnprintf(conn->error_text, sizeof(conn->error_text), fmt, args);
	va_end(args);
	imap_proto_abort(conn->proto);
	if (conn->trace)
		trace_note(conn->trace, conn->error_text);
	return error;
}

int conn_closed(struct imap_conn *conn)
{
	struct imap_answer farewell;
	char text[512];

	if (!imap_proto_bye(conn->proto, &farewell) || !farewell.text[0] ||
	    !(conn->secured || conn->plain_ok))
		return conn_fail(conn, -ECONNRESET, "%s:%s closed the connection", conn->host,
				 conn->port);
	imap_text_escape(slice_of(farewell.text), text, sizeof(text));
	return conn_fail(conn, -ECONNRESET, "%s:%s closed the connection: %s", conn->host,
			 conn->port, text);
}

static int conn_broken(struct imap_conn *conn, int error)
{
	if (error == -EPROTO || error == -EMSGSIZE)
		return conn_fail(conn, error, "%s:%s breaks the protocol: %s", conn->host,
				 conn->port, imap_proto_error(conn->proto));
	return conn_fail(conn, error, "%s", stream_strerror(error));
}

static int stream_broken(struct imap_conn *conn, ssize_t result)
{
	if (result == 0)
		return conn_closed(conn);
	if (result == -EPROTO)
		return conn_fail(conn, -ECONNRESET, "the TLS connection with %s:%s broke",
				 conn->host, conn->port);
	return conn_fail(conn, result == -ETIMEDOUT ? -ETIMEDOUT : -ECONNRESET, "%s:%s: %s",
			 conn->host, conn->port, stream_strerror((int)result));
}

/* ---- one step -------------------------------------------------------------- */

static void conn_moved(struct imap_conn *conn)
{
	uint64_t progress = imap_proto_progress(conn->proto);

	conn->moved_ms = clock_ms();
	if (progress != conn->progress) {
		conn->progress = progress;
		conn->progress_ms = conn->moved_ms;
	}
}

static void conn_heard(struct imap_conn *conn, const char *data, size_t len)
{
	size_t room = sizeof(conn->heard) - conn->heard_len;

	if (imap_proto_greeted(conn->proto, NULL))
		return;
	if (len > room)
		len = room;
	memcpy(conn->heard + conn->heard_len, data, len);
	conn->heard_len += len;
}

/* 1: something came and was fed; 0: nothing was there. */
static int conn_read(struct imap_conn *conn)
{
	size_t len = 0;
	ssize_t got;
	int err;

	do {
		got = stream_read(conn->stream, conn->chunk + len, CONN_CHUNK - len);
		if (got > 0)
			len += (size_t)got;
	} while (got > 0 && len < CONN_CHUNK);
	if (len) {
		conn->bytes_in += len;
		conn->heard_ms = clock_ms();
		conn_heard(conn, conn->chunk, len);
		if (conn->trace)
			trace_received(conn->trace, conn->chunk, len);
		err = imap_proto_feed(conn->proto, conn->chunk, len);
		if (err)
			return conn_broken(conn, err);
		return 1; /* an end or error of the stream shows again the next time */
	}
	return got == -EAGAIN ? 0 : stream_broken(conn, got);
}

/* 1: something was sent; 0: nothing could be, or there was nothing. */
static int conn_write(struct imap_conn *conn)
{
	int moved = 0;

	for (;;) {
		struct slice out = imap_proto_output(conn->proto);
		ssize_t sent;

		if (!out.len)
			return moved;
		sent = stream_write(conn->stream, out.ptr, out.len);
		if (sent == -EAGAIN)
			return moved;
		if (sent < 0) {
			/* What the server said before it closed tells more. */
			for (int i = 0; i < 64 && conn_read(conn) > 0; i++)
				;
			return stream_broken(conn, sent);
		}
		imap_proto_sent(conn->proto, (size_t)sent);
		conn->bytes_out += (uint64_t)sent;
		moved = 1;
	}
}

static bool conn_stopped(struct imap_conn *conn)
{
	struct pollfd fd = { .fd = conn->stop_fd, .events = POLLIN };

	return conn->stop_fd >= 0 && poll(&fd, 1, 0) > 0;
}

int conn_sleep(struct imap_conn *conn, short want, int64_t deadline_ms)
{
	struct pollfd fds[2] = { { .fd = conn->fd, .events = want },
				 { .fd = conn->stop_fd, .events = POLLIN } };
	int64_t left = deadline_ms - clock_ms();

	if (left < 0)
		left = 0;
	if (left > 60000)
		left = 60000;
	if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
		return conn_fail(conn, -errno, "%s", stream_strerror(errno));
	if (fds[1].revents)
		return conn_fail(conn, -ECANCELED, "interrupted");
	return !fds[0].revents && clock_ms() >= deadline_ms ? -ETIMEDOUT : 0;
}

int conn_step(struct imap_conn *conn, int64_t deadline_ms)
{
	short want = POLLIN;
	int sent, came;

	if (conn->error)
		return conn->error;
	sent = conn_write(conn);
	if (sent < 0)
		return sent;
	if (imap_proto_output(conn->proto).len)
		want |= conn->stream->want;
	came = conn_read(conn);
	if (came < 0)
		return came;
	if (!sent && !came)
		return conn_sleep(conn, want, deadline_ms);
	conn_moved(conn);
	if (conn->moved_ms - conn->stop_ms >= STOP_EVERY_MS) {
		conn->stop_ms = conn->moved_ms;
		if (conn_stopped(conn))
			return conn_fail(conn, -ECANCELED, "interrupted");
	}
	return 0;
}

/* ---- waiting --------------------------------------------------------------- */

int conn_wait_until(struct imap_conn *conn, const bool *done, int64_t deadline_ms)
{
	int err = conn->error;

	while (!err && !*done) {
		err = conn_step(conn, deadline_ms);
		if (!err && !*done && clock_ms() >= deadline_ms)
			err = -ETIMEDOUT;
	}
	if (err == -ETIMEDOUT)
		return conn_fail(conn, -ETIMEDOUT, "no answer from %s:%s", conn->host, conn->port);
	return err;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Until when to wait, as things stand now. */
static int64_t wait_deadline(struct imap_conn *conn, int64_t start_ms, int64_t silence_ms)
{
	int64_t quiet = later(start_ms, conn->moved_ms) + silence_ms;
	int64_t chatter = later(start_ms, conn->progress_ms) + CHATTER_TIMEOUTS * silence_ms;

	if (imap_proto_bye(conn->proto, NULL) && !conn->logging_out)
		quiet = later(start_ms, conn->moved_ms) + BYE_MS;
	return quiet < chatter ? quiet : chatter;
}

static int wait_over(struct imap_conn *conn, int64_t silence_ms)
{
	if (imap_proto_bye(conn->proto, NULL))
		return conn_closed(conn);
	return conn_fail(conn, -ETIMEDOUT, "%s:%s does not answer for %lld s", conn->host,
			 conn->port, (long long)(silence_ms + 999) / 1000);
}

int conn_wait_silence(struct imap_conn *conn, const struct imap_request *request,
		      int64_t silence_ms)
{
	int64_t start = clock_ms();

	while (!request->done) {
		int64_t deadline = wait_deadline(conn, start, silence_ms);
		int err = conn_step(conn, deadline);

		/* Bytes that keep coming do not get past the deadline either. */
		if (!err && !request->done && clock_ms() >= wait_deadline(conn, start, silence_ms))
			err = -ETIMEDOUT;
		if (err == -ETIMEDOUT && !conn->error)
			return wait_over(conn, silence_ms);
		if (err && !request->done)
			return err;
	}
	return 0;
}

int imap_conn_wait(struct imap_conn *conn, struct imap_request *request, int patience)
{
	return conn_wait_silence(conn, request,
				 (int64_t)conn->timeout_ms * (patience > 0 ? patience : 1));
}

int imap_conn_send(struct imap_conn *conn, struct imap_command **command,
		   struct imap_request *request)
{
	int64_t start = clock_ms();
	int err = conn->error;

	while (!err && (imap_proto_outstanding(conn->proto) >= IMAP_LIMIT_PIPELINE ||
			imap_proto_output(conn->proto).len >= OUTPUT_HIGH)) {
		err = conn_step(conn, wait_deadline(conn, start, conn->timeout_ms));
		if (!err && clock_ms() >= wait_deadline(conn, start, conn->timeout_ms))
			err = -ETIMEDOUT;
		if (err == -ETIMEDOUT && !conn->error)
			err = wait_over(conn, conn->timeout_ms);
	}
	if (err) {
		imap_command_free(command);
		return err;
	}
	err = imap_proto_send(conn->proto, command, request);
	if (err)
		return err;
	err = conn_write(conn);
	if (err > 0)
		conn_moved(conn);
	return err < 0 ? err : 0;
}

int imap_conn_run(struct imap_conn *conn, struct imap_command **command,
		  struct imap_request *request, int patience)
{
	int err = imap_conn_send(conn, command, request);

	return err ? err : imap_conn_wait(conn, request, patience);
}

int imap_conn_poll(struct imap_conn *conn)
{
	int moved = 1;

	/* A server that never stops talking is left for the next wait. */
	for (int i = 0; i < 4 && moved > 0 && !conn->error; i++) {
		if (imap_proto_bye(conn->proto, NULL))
			return conn_closed(conn);
		moved = conn_write(conn);
		if (moved >= 0)
			moved = conn_read(conn);
		if (moved > 0)
			conn_moved(conn);
	}
	return conn->error;
}

/* ---- facts ----------------------------------------------------------------- */

void imap_conn_on_event(struct imap_conn *conn,
			bool (*event)(void *user, const struct imap_event *event), void *user)
{
	conn->event = event;
	conn->user = user;
}

bool imap_conn_alive(const struct imap_conn *conn)
{
	return !conn->error;
}

int imap_conn_fd(const struct imap_conn *conn)
{
	return conn->fd;
}

size_t imap_conn_outstanding(const struct imap_conn *conn)
{
	return imap_proto_outstanding(conn->proto);
}

struct imap_capabilities *imap_conn_capabilities(struct imap_conn *conn)
{
	return imap_proto_capabilities(conn->proto);
}

const char *imap_conn_error(const struct imap_conn *conn)
{
	return conn->error_text;
}

void imap_conn_facts_get(struct imap_conn *conn, struct imap_conn_facts *ret_facts)
{
	*ret_facts = (struct imap_conn_facts){
		.secured = conn->secured,
		.tls_version = conn->secured ? stream_tls_version(conn->stream) : "",
		.tls_cipher = conn->secured ? stream_tls_cipher(conn->stream) : "",
		.peer = conn->peer,
		.bytes_in = conn->bytes_in,
		.bytes_out = conn->bytes_out,
		.skipped = imap_proto_skipped(conn->proto),
		.heard_ms = conn->heard_ms,
		.loopback = conn->loopback,
	};
}

void imap_conn_set_timeout(struct imap_conn *conn, int timeout_ms)
{
	conn->timeout_ms = timeout_ms;
}
