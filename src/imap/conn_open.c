/*
 * From a host name to a connection that is ready for a login: addresses, TLS, greeting,
 * STARTTLS. Nothing the server said in clear text survives the start of TLS, and none of
 * it is shown to anybody.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <imap/text.h>
#include <imap/verb.h>

#include "conn_impl.h"
#include "util/clock.h"
#include "util/slice.h"

static bool conn_event(void *user, const struct imap_event *event)
{
	struct imap_conn *conn = user;

	return conn->event && conn->event(conn->user, event);
}

static void conn_trace(void *user, struct slice masked)
{
	struct imap_conn *conn = user;

	trace_sent(conn->trace, masked);
}

void imap_conn_free(struct imap_conn **conn)
{
	struct imap_conn *c = *conn;

	if (!c)
		return;
	imap_proto_free(&c->proto);
	stream_free(&c->stream);
	trace_free(&c->trace);
	free(c->host);
	free(c->port);
	free(c->chunk);
	free(c);
	*conn = NULL;
}

static int conn_new(const struct imap_conn_params *params, struct imap_conn **ret_conn,
		    char **ret_error)
{
	struct imap_conn *conn = calloc(1, sizeof(*conn));
	int err;

	if (!conn)
		return -ENOMEM;
	conn->fd = -1;
	conn->stop_fd = params->stop_fd;
	conn->timeout_ms = params->timeout_ms;
	conn->plain_ok = params->tls == IMAP_TLS_OFF;
	conn->host = strdup(params->host);
	conn->port = strdup(params->port);
	conn->chunk = malloc(CONN_CHUNK);
	err = conn->host && conn->port && conn->chunk ? 0 : -ENOMEM;
	if (!err)
		err = imap_proto_new(conn_event, conn, &conn->proto);
	if (!err && params->disable)
		imap_capabilities_disable(imap_proto_capabilities(conn->proto),
					  slice_of(params->disable));
	if (!err && params->trace_path) {
		err = trace_new(params->trace_path, &conn->trace);
		if (err)
			err = stream_fail(ret_error, -EINVAL, "cannot write trace=%s: %s",
					  params->trace_path, strerror(-err));
		else
			imap_proto_trace(conn->proto, conn_trace, conn);
	}
	if (err) {
		imap_conn_free(&conn);
		return err;
	}
	*ret_conn = conn;
	return 0;
}

static int open_tcp(struct imap_conn *conn, const struct imap_conn_params *params,
		    int64_t deadline_ms, char **ret_error)
{
	struct stream_tcp_params tcp = {
		.host = params->host,
		.port = params->port,
		.loopback_only = params->tls == IMAP_TLS_OFF,
		.deadline_ms = deadline_ms,
		.stop_fd = params->stop_fd,
	};
	struct stream_tcp_facts facts;
	int err;

	err = stream_tcp_open(&tcp, &conn->stream, &facts, ret_error);
	if (err)
		return err;
	conn->fd = facts.fd;
	conn->loopback = facts.loopback;
	memcpy(conn->peer, facts.peer, sizeof(conn->peer));
	return 0;
}

static int open_tls(struct imap_conn *conn, const struct imap_conn_params *params,
		    int64_t deadline_ms, char **ret_error)
{
	struct stream_tls_params tls = {
		.host = params->host,
		.port = params->port,
		.ca_file = params->ca_file,
		.ca_dir = params->ca_dir,
		.fingerprint = params->fingerprint,
		.cert_file = params->cert_file,
		.key_file = params->key_file,
	};
	struct imap_stream *lower = conn->stream;
	int err;

	conn->stream = NULL;
	err = stream_tls_new(&tls, lower, &conn->stream, ret_error);
	while (!err) {
		err = stream_tls_handshake(conn->stream, ret_error);
		if (err != -EAGAIN)
			break;
		err = conn_sleep(conn, conn->stream->want, deadline_ms);
		if (err == -ETIMEDOUT)
			stream_fail(ret_error, err, "%s:%s does not finish setting up TLS in time",
				    conn->host, conn->port);
	}
	conn->secured = !err;
	return err;
}

/* ---- greeting -------------------------------------------------------------- */

/* What spoke instead of an IMAP server. Its words only when we know whose they are. */
static int greeting_foreign(struct imap_conn *conn, int err, char **ret_error)
{
	struct slice words = slice_trim((struct slice){ conn->heard, conn->heard_len });
	const char *end = words.len ? memchr(words.ptr, '\r', words.len) : NULL;
	char text[4 * sizeof(conn->heard) + 1];

	if (err != -EPROTO && err != -EMSGSIZE)
		return stream_fail(ret_error, err, "%s", imap_conn_error(conn));
	if (end)
		words.len = (size_t)(end - words.ptr);
	imap_text_escape(words, text, sizeof(text));
	if ((conn->secured || conn->plain_ok) && words.len)
		return stream_fail(ret_error, -EPROTO, "%s:%s does not speak IMAP (it said \"%s\")",
				   conn->host, conn->port, text);
	return stream_fail(ret_error, -EPROTO, "%s:%s does not speak IMAP", conn->host, conn->port);
}

static int open_greeting(struct imap_conn *conn, const struct imap_conn_params *params,
			 int64_t deadline_ms, char **ret_error)
{
	struct imap_answer greeting;
	char text[512];
	int err = 0;

	while (!err && !imap_proto_greeted(conn->proto, &greeting)) {
		err = conn_step(conn, deadline_ms);
		if (!err && clock_ms() >= deadline_ms && !imap_proto_greeted(conn->proto, NULL))
			err = -ETIMEDOUT;
	}
	if (err == -ETIMEDOUT)
		return stream_fail(ret_error, err, "no greeting from %s:%s within %d s%s",
				   conn->host, conn->port, (params->timeout_ms + 999) / 1000,
				   conn->secured || params->tls == IMAP_TLS_OFF
					   ? ""
					   : " (does the port want TLS from the start, imaps://?)");
	if (err)
		return greeting_foreign(conn, err, ret_error);
	if (greeting.status == IMAP_BYE) {
		bool shown = conn->secured || conn->plain_ok;

		imap_text_escape(slice_of(greeting.text), text, sizeof(text));
		return stream_fail(ret_error, -ECONNRESET, "%s:%s refuses connections%s%s",
				   conn->host, conn->port, shown ? ": " : "", shown ? text : "");
	}
	conn->preauth = greeting.status == IMAP_PREAUTH;
	return 0;
}

/* ---- STARTTLS -------------------------------------------------------------- */

static int plain_run(struct imap_conn *conn, const char *name, bool last, int64_t deadline_ms,
		     struct imap_answer *ret_answer)
{
	struct imap_command *command = imap_command_new(name);
	struct imap_request request = { .stop_behind = last };
	int err;

	err = imap_conn_send(conn, &command, &request);
	if (!err)
		err = conn_wait_until(conn, &request.done, deadline_ms);
	if (!err)
		*ret_answer = request.answer;
	return err;
}

static int open_starttls(struct imap_conn *conn, const struct imap_conn_params *params,
			 int64_t deadline_ms, char **ret_error)
{
	struct imap_capabilities *caps = imap_conn_capabilities(conn);
	struct imap_answer answer;
	int err = 0;

	/* Already logged in, by clear text: STARTTLS is not possible any more. */
	if (conn->preauth)
		return stream_fail(ret_error, -EPERM,
				   "%s:%s says that it needs no login, and so prevents TLS: "
				   "somebody may be in "
				   "between",
				   conn->host, conn->port);
	if (!caps->known)
		err = plain_run(conn, "CAPABILITY", false, deadline_ms, &answer);
	if (!err && !imap_has(caps, IMAP_CAP_STARTTLS))
		return stream_fail(ret_error, -EPERM,
				   "%s:%s offers no STARTTLS: use imaps:// (port 993), or somebody "
				   "is in between",
				   conn->host, conn->port);
	if (!err)
		err = plain_run(conn, "STARTTLS", true, deadline_ms, &answer);
	if (err)
		return stream_fail(
			ret_error, err, "STARTTLS failed: %s",
			err == -EPROTO ? "the server breaks the protocol, or somebody is in between"
			: conn->error  ? stream_strerror(err)
				       : "out of memory");
	if (answer.status != IMAP_OK)
		return stream_fail(ret_error, -EPERM,
				   "%s:%s refuses STARTTLS: use imaps:// (port 993)", conn->host,
				   conn->port);
	if (conn->trace)
		trace_note(conn->trace, "TLS starts");
	err = open_tls(conn, params, deadline_ms, ret_error);
	if (!err)
		imap_proto_secured(conn->proto);
	return err;
}

/* ---- all of it ------------------------------------------------------------- */

static int open_steps(struct imap_conn *conn, const struct imap_conn_params *params,
		      int64_t deadline_ms, char **ret_error)
{
	int err;

	err = open_tcp(conn, params, deadline_ms, ret_error);
	if (!err && params->tls == IMAP_TLS_IMPLICIT)
		err = open_tls(conn, params, deadline_ms, ret_error);
	if (!err)
		err = open_greeting(conn, params, deadline_ms, ret_error);
	if (!err && params->tls == IMAP_TLS_STARTTLS)
		err = open_starttls(conn, params, deadline_ms, ret_error);
	if (err)
		return err;
	if (!imap_conn_capabilities(conn)->known) {
		struct imap_answer answer;

		err = plain_run(conn, "CAPABILITY", false, deadline_ms, &answer);
		if (err)
			stream_fail(ret_error, err, "%s", imap_conn_error(conn));
	}
	return err;
}

int imap_conn_open(const struct imap_conn_params *params, struct imap_conn **ret_conn,
		   char **ret_error)
{
	int64_t deadline = clock_ms() + params->timeout_ms;
	struct imap_conn *conn;
	char *error = NULL;
	int err;

	err = conn_new(params, &conn, &error);
	if (!err) {
		err = open_steps(conn, params, deadline, &error);
		if (err) {
			if (conn->trace && error)
				trace_note(conn->trace, error);
			imap_conn_free(&conn);
		}
	}
	if (err) {
		*ret_error = error;
		return err;
	}
	free(error);
	*ret_conn = conn;
	return 0;
}
