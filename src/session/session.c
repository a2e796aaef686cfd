/* One account from its opening to its end, and what can be told about it. */
#include "session/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "session/private.h"
#include "util/clock.h"

static int copy_strings(struct session *session, const struct session_params *params)
{
	session->user = strdup(params->user);
	session->auth = strdup(params->auth ? params->auth : "auto");
	session->authzid = params->authzid ? strdup(params->authzid) : NULL;
	if (asprintf(&session->label, "%s@%s", params->user, params->conn.host) < 0)
		session->label = NULL;
	if (!session->user || !session->auth || !session->label ||
	    (params->authzid && !session->authzid))
		return -ENOMEM;
	return 0;
}

static int session_new(const struct session_params *params, struct session **ret_session)
{
	struct session *session = calloc(1, sizeof(*session));
	int err;

	if (!session)
		return -ENOMEM;
	session->conn = params->conn;
	session->password = params->password;
	session->password_user = params->password_user;
	session->slot_count = params->connections ? params->connections : 1;
	if (session->slot_count > SLOTS_MAX)
		session->slot_count = SLOTS_MAX;
	session->limit = session->slot_count;
	session->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	session->conn.stop_fd = session->stop_fd;
	pthread_mutex_init(&session->lock, NULL);
	err = clock_cond_init(&session->changed);
	if (!err)
		err = session->stop_fd < 0 ? -EMFILE : copy_strings(session, params);
	*ret_session = session;
	return err;
}

/* However long a person takes to type the password: each step has its own timeout. */
static int open_first(struct session *session, char **ret_error)
{
	struct imap_conn *conn = NULL;
	int err = session_connect(session, INT64_MAX, &conn, ret_error);

	if (err)
		return err;
	slot_fill(session, &session->slots[0], conn);
	return keeper_start(session);
}

static int open_without(struct session *session, bool offline)
{
	session->reach = REACH_DOWN;
	session->is_offline = offline;
	return offline ? 0 : keeper_start(session);
}

int session_open(const struct session_params *params, struct session **ret_session,
		 char **ret_error)
{
	struct session *session = NULL;
	int err = session_new(params, &session);

	*ret_error = NULL;
	if (!err && params->start == SESSION_START_CONNECTED)
		err = open_first(session, ret_error);
	else if (!err)
		err = open_without(session, params->start == SESSION_START_OFFLINE);
	if (err) {
		session_close(&session);
		return err;
	}
	*ret_session = session;
	return 0;
}

void session_stop(struct session *session)
{
	uint64_t one = 1;

	pthread_mutex_lock(&session->lock);
	session->stopping = true;
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
	/* Cannot fail: an eventfd that is full is readable already. */
	if (write(session->stop_fd, &one, sizeof(one)) < 0)
		return;
}

/* Says goodbye. The stop ended all waits, so it must not be seen any more; LOGOUT has a short deadline of its own. */
static void say_goodbye(struct session *session)
{
	uint64_t count;

	if (read(session->stop_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	for (size_t i = 0; i < session->slot_count; i++)
		if (session->slots[i].conn && imap_conn_alive(session->slots[i].conn))
			(void)imap_logout(session->slots[i].conn);
}

void session_close(struct session **session)
{
	struct session *s = *session;

	if (!s)
		return;
	if (s->has_keeper) {
		session_stop(s);
		keeper_join(s);
		say_goodbye(s);
	}
	for (size_t i = 0; i < s->slot_count; i++) {
		imap_conn_free(&s->slots[i].conn);
		free(s->slots[i].mailbox);
	}
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s->user);
	free(s->auth);
	free(s->authzid);
	free(s->label);
	free(s);
	*session = NULL;
}

/* ---- what it is ---------------------------------------------------------------------- */

size_t session_namespaces(struct session *session, struct session_namespace *ret_items, size_t max)
{
	size_t count;

	pthread_mutex_lock(&session->lock);
	count = session->learnt.namespace_count < max ? session->learnt.namespace_count : max;
	memcpy(ret_items, session->learnt.namespaces, count * sizeof(*ret_items));
	pthread_mutex_unlock(&session->lock);
	return count;
}

bool session_has(struct session *session, enum imap_capability cap)
{
	bool has;

	pthread_mutex_lock(&session->lock);
	has = session->capabilities >> cap & 1;
	pthread_mutex_unlock(&session->lock);
	return has;
}

void session_status_get(struct session *session, struct session_status *ret_status)
{
	static const char *const states[] = {
		[REACH_UP] = "connected",
		[REACH_SEARCHING] = "connecting",
		[REACH_DOWN] = "disconnected",
	};
	struct session_status status = { 0 };

	pthread_mutex_lock(&session->lock);
	status.state = session->is_offline ? "offline" : states[session->reach];
	memcpy(status.server, session->learnt.server, sizeof(status.server));
	memcpy(status.tls, session->tls, sizeof(status.tls));
	memcpy(status.last_error, session->last_error, sizeof(status.last_error));
	status.last_error_s = session->last_error_s;
	status.bytes_in = session->bytes_in;
	status.bytes_out = session->bytes_out;
	status.skipped = session->skipped;
	status.reconnects = session->reconnects;
	status.connections_max = session->limit;
	for (size_t i = 0; i < session->slot_count; i++) {
		const struct slot *slot = &session->slots[i];

		status.connections += slot->is_open;
		status.leased += slot->leased;
		status.bytes_in += slot->bytes_in;
		status.bytes_out += slot->bytes_out;
		status.skipped += slot->skipped;
	}
	pthread_mutex_unlock(&session->lock);
	*ret_status = status;
}
