/* One connection: connected, logged in, known. Decides nothing about trying again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <imap/text.h>

#include "session/private.h"
#include "util/attr.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/slice.h"

/* Each mechanism that a server only pretends to have costs a connection. */
#define LOGIN_TRIES 4
/* Less than this is no try. */
#define TRY_MIN_MS 1000

/* `why` may be the server's words. */
static void say(char **ret_error, const struct session *session, const char *what, const char *why)
{
	char escaped[512];

	imap_text_escape(slice_of(why), escaped, sizeof(escaped));
	if (asprintf(ret_error, "%s: %s%s%s", session->label, what, *escaped ? ": " : "", escaped) <
	    0)
		*ret_error = NULL;
}

static void explain(const struct session *session, int err, const struct imap_answer *answer,
		    struct imap_conn *conn, char **ret_error)
{
	switch (err) {
	case -EACCES:
		say(ret_error, session, "the server refused the user or the password",
		    answer->text);
		break;
	case -EPERM:
	case -EREMOTEIO: say(ret_error, session, "cannot log in", answer->text); break;
	case -ETIMEDOUT: say(ret_error, session, "the server does not answer the login", ""); break;
	default: say(ret_error, session, "the login failed", imap_conn_error(conn)); break;
	}
}

static void remember(struct session *session, struct imap_conn *conn,
		     const struct imap_login_memory *memory)
{
	struct imap_conn_facts facts;
	const struct imap_capabilities *caps = imap_conn_capabilities(conn);

	imap_conn_facts_get(conn, &facts);
	pthread_mutex_lock(&session->lock);
	session->memory = *memory;
	session->capabilities = caps->bits & ~caps->off;
	snprintf(session->tls, sizeof(session->tls), "%s%s%s",
		 facts.secured ? facts.tls_version : "off", facts.secured ? " " : "",
		 facts.secured ? facts.tls_cipher : "");
	pthread_mutex_unlock(&session->lock);
}

int session_time_left(const struct session *session, int64_t deadline_ms)
{
	int most_ms = session->conn.timeout_ms;
	int least_ms = most_ms / 2 < TRY_MIN_MS ? most_ms / 2 : TRY_MIN_MS;
	int64_t left_ms = deadline_ms - clock_ms();

	if (left_ms > most_ms)
		return most_ms;
	return left_ms > least_ms ? (int)left_ms : least_ms;
}

static int do_login(struct session *session, struct imap_conn *conn, int64_t deadline_ms,
		    struct imap_login_memory *memory, char **ret_error)
{
	struct secret *password = NULL;
	struct imap_answer answer = { 0 };
	struct imap_login login = { .user = session->user,
				    .mechanism = session->auth,
				    .authzid = session->authzid,
				    .memory = memory };
	int err = session->password(session->password_user, &password, ret_error);

	/* Whatever the source of passwords says: it is not the network that fails. */
	if (err)
		return err == -ENOMEM || err == -ECANCELED ? err : -EACCES;
	imap_conn_set_timeout(conn, session_time_left(session, deadline_ms));
	login.password = password->ptr;
	login.password_len = password->len;
	err = imap_login(conn, &login, &answer);
	secret_free(&password);
	if (err && err != -ECANCELED)
		explain(session, err, &answer, conn, ret_error);
	return err;
}

/* ---- what the server is ------------------------------------------------------ */

static int on_id(void *user, const struct imap_event *event)
{
	struct learnt *learnt = user;
	struct slice name = SLICE_NIL, version = SLICE_NIL;

	for (size_t i = 0; i + 1 < event->atoms.count; i += 2) {
		if (slice_caseeqs(event->atoms.items[i], "name"))
			name = event->atoms.items[i + 1];
		else if (slice_caseeqs(event->atoms.items[i], "version"))
			version = event->atoms.items[i + 1];
	}
	if (name.len) {
		char name_text[120], version_text[120];

		imap_text_escape(name, name_text, sizeof(name_text));
		imap_text_escape(version, version_text, sizeof(version_text));
		snprintf(learnt->server, sizeof(learnt->server), "%s%s%s", name_text,
			 *version_text ? " " : "", version_text);
	}
	return 0;
}

static int on_namespace(void *user, const struct imap_event *event)
{
	struct learnt *learnt = user;

	for (size_t i = 0; i < event->namespaces.count && learnt->namespace_count < NAMESPACES_MAX;
	     i++) {
		const struct imap_namespace *from = &event->namespaces.items[i];
		struct session_namespace *to = &learnt->namespaces[learnt->namespace_count];

		if (from->prefix.len >= sizeof(to->prefix)) {
			log_warning("a namespace with a prefix of %zu bytes is left out",
				    from->prefix.len);
			continue;
		}
		to->kind = (int)from->kind;
		to->delimiter = from->delimiter;
		if (from->prefix.len)
			memcpy(to->prefix, from->prefix.ptr, from->prefix.len);
		to->prefix[from->prefix.len] = '\0';
		learnt->namespace_count++;
	}
	return 0;
}

/* ID, and NAMESPACE the first time. Some hosts open no mailbox to a client without a name. */
static int introduce(struct session *session, struct imap_conn *conn, char **ret_error)
{
	struct learnt learnt = { .done = true };
	bool known;
	int err = 0;

	pthread_mutex_lock(&session->lock);
	known = session->learnt.done;
	pthread_mutex_unlock(&session->lock);
	snprintf(learnt.server, sizeof(learnt.server), "%s", session->conn.host);
	if (imap_has(imap_conn_capabilities(conn), IMAP_CAP_ID))
		err = imap_id(conn, "imapfs", IMAPFS_VERSION, on_id, &learnt);
	if (!known && imap_conn_alive(conn))
		err = imap_namespace(conn, on_namespace, &learnt);
	/* What fails and leaves the connection alive is only missing. */
	if (!imap_conn_alive(conn)) {
		say(ret_error, session, "the server was lost behind the login",
		    imap_conn_error(conn));
		return err;
	}
	if (known)
		return 0;
	pthread_mutex_lock(&session->lock);
	session->learnt = learnt;
	pthread_mutex_unlock(&session->lock);
	return 0;
}

/* ---- all of it ----------------------------------------------------------------- */

int session_connect(struct session *session, int64_t deadline_ms, struct imap_conn **ret_conn,
		    char **ret_error)
{
	struct imap_conn_params params = session->conn;
	struct imap_login_memory memory;
	int err = -ETIMEDOUT;

	pthread_mutex_lock(&session->lock);
	memory = session->memory;
	pthread_mutex_unlock(&session->lock);
	for (int i = 0; i < LOGIN_TRIES; i++) {
		uint32_t failed = memory.failed;
		struct imap_conn *conn = NULL;

		free(*ret_error);
		*ret_error = NULL;
		params.timeout_ms = session_time_left(session, deadline_ms);
		err = imap_conn_open(&params, &conn, ret_error);
		if (err)
			return err;
		err = do_login(session, conn, deadline_ms, &memory, ret_error);
		if (err == 0) {
			remember(session, conn, &memory);
			err = introduce(session, conn, ret_error);
		}
		if (err == 0) {
			imap_conn_set_timeout(conn, session->conn.timeout_ms);
			*ret_conn = conn;
			return 0;
		}
		imap_conn_free(&conn);
		if (err != -ETIMEDOUT || memory.failed == failed)
			return err;
	}
	return err;
}
