/*
 * Whether the server can be reached, and who tries again: the first lease that finds it gone, for as long as a
 * person waits; then the keeper (keeper.c), for as long as it takes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/private.h"
#include "util/clock.h"
#include "util/log.h"

void session_note_error(struct session *session, const char *text)
{
	pthread_mutex_lock(&session->lock);
	snprintf(session->last_error, sizeof(session->last_error), "%s", text);
	session->last_error_s = clock_wall_s();
	pthread_mutex_unlock(&session->lock);
}

void reach_set(struct session *session, enum reach reach)
{
	enum reach before;

	pthread_mutex_lock(&session->lock);
	before = session->reach;
	session->reach = reach;
	session->search_until_ms = 0;
	if (reach == REACH_UP) {
		backoff_reset(&session->backoff);
		session->asked = false;
	}
	if (reach == REACH_UP && before != REACH_UP) {
		session->reconnects++;
		/* Another server, as far as we know. */
		session->limit = session->slot_count;
		session->limited_ms = 0;
	}
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
	if (before == reach)
		return;
	if (reach == REACH_DOWN)
		log_warning("%s: the server cannot be reached; cached mail goes on, the rest fails "
			    "until it is back",
			    session->label);
	else if (reach == REACH_UP)
		log_info("%s: connected again", session->label);
}

void reach_doubt(struct session *session, int error, bool was_open)
{
	int64_t now = clock_ms();

	if (error != -ETIMEDOUT && error != -ECONNRESET && error != -ECONNREFUSED &&
	    error != -EHOSTUNREACH && error != -ENOENT)
		return;
	pthread_mutex_lock(&session->lock);
	/* One that ran out while nobody needed the server says nothing. */
	if (session->reach == REACH_UP && now >= session->search_until_ms)
		session->search_until_ms = now + session->conn.timeout_ms;
	if (error == -ETIMEDOUT && was_open)
		session->silent_ms = now;
	pthread_mutex_unlock(&session->lock);
}

bool reach_trusts(struct session *session, struct imap_conn *conn)
{
	struct imap_conn_facts facts;
	bool trusted;

	imap_conn_facts_get(conn, &facts);
	pthread_mutex_lock(&session->lock);
	trusted = !session->silent_ms || facts.heard_ms > session->silent_ms;
	pthread_mutex_unlock(&session->lock);
	return trusted;
}

/* All who look for the server share one deadline. */
static int64_t search_deadline(struct session *session, int64_t deadline_ms)
{
	pthread_mutex_lock(&session->lock);
	if (session->search_until_ms > clock_ms() && session->search_until_ms < deadline_ms)
		deadline_ms = session->search_until_ms;
	pthread_mutex_unlock(&session->lock);
	return deadline_ms;
}

/* A refusal of the credentials or the certificate does not get better by asking every second. */
static bool hopeless(int err)
{
	return err == -EACCES || err == -EPERM || err == -EKEYREJECTED || err == -ENOMEM;
}

int reach_try(struct session *session, struct slot *slot, int64_t deadline_ms)
{
	struct imap_conn *conn = NULL;
	char *error = NULL;
	int err = session_connect(session, deadline_ms, &conn, &error);

	pthread_mutex_lock(&session->lock);
	session->hopeless = hopeless(err);
	pthread_mutex_unlock(&session->lock);
	if (err == 0) {
		slot_fill(session, slot, conn);
	} else if (err != -ECANCELED) {
		session_note_error(session, error ? error : strerror(-err));
		log_info("%s", error ? error : strerror(-err));
	}
	free(error);
	return err;
}

bool reach_lower_limit(struct session *session, const struct slot *slot, int err)
{
	size_t others = 0;
	bool lowered = false;

	if (err != -EREMOTEIO && err != -EACCES)
		return false;
	pthread_mutex_lock(&session->lock);
	for (size_t i = 0; i < session->slot_count; i++)
		others += &session->slots[i] != slot && session->slots[i].is_open;
	if (others && session->reach == REACH_UP) {
		lowered = true;
		if (others < session->limit)
			session->limit = others;
		session->limited_ms = clock_ms();
	}
	pthread_mutex_unlock(&session->lock);
	if (lowered)
		log_warning("%s: the server lets in %zu connection%s and no more", session->label,
			    others, others == 1 ? "" : "s");
	return lowered;
}

/* Until this thread is the one to try, or somebody else succeeded. 0: try; else why not. */
static int search_begin(struct session *session, int64_t deadline_ms)
{
	int err = 0;

	pthread_mutex_lock(&session->lock);
	while (!err && session->reach == REACH_SEARCHING && !session->stopping)
		err = clock_cond_wait(&session->changed, &session->lock, deadline_ms);
	if (session->stopping)
		err = -ECANCELED;
	else if (err || session->reach == REACH_DOWN)
		err = -ENOTCONN;
	pthread_mutex_unlock(&session->lock);
	return err;
}

/* False: somebody else is at it. */
static bool search_claim(struct session *session)
{
	bool claimed;

	pthread_mutex_lock(&session->lock);
	claimed = session->reach == REACH_UP;
	if (claimed)
		session->reach = REACH_SEARCHING;
	pthread_mutex_unlock(&session->lock);
	return claimed;
}

/* Sleeps, but not through a stop, nor when somebody else found the server. */
static int pause_until(struct session *session, int64_t until_ms)
{
	int err = 0;

	pthread_mutex_lock(&session->lock);
	while (!session->stopping && err != -ETIMEDOUT && session->reach == REACH_SEARCHING)
		err = clock_cond_wait(&session->changed, &session->lock, until_ms);
	err = session->stopping ? -ECANCELED : 0;
	pthread_mutex_unlock(&session->lock);
	return err;
}

int64_t reach_next_try_ms(struct session *session)
{
	int64_t ms;

	pthread_mutex_lock(&session->lock);
	ms = backoff_next_ms(&session->backoff);
	pthread_mutex_unlock(&session->lock);
	return clock_ms() + ms;
}

/* False: somebody else found the server meanwhile. */
static bool search_give_up(struct session *session)
{
	bool lost;

	pthread_mutex_lock(&session->lock);
	lost = session->reach == REACH_SEARCHING;
	pthread_mutex_unlock(&session->lock);
	if (lost)
		reach_set(session, REACH_DOWN);
	return lost;
}

static int search(struct session *session, struct slot *slot, int64_t deadline_ms, int err)
{
	while (err && err != -ECANCELED && !hopeless(err)) {
		int64_t next_ms = reach_next_try_ms(session);

		if (next_ms >= deadline_ms)
			break;
		err = pause_until(session, next_ms);
		if (!err)
			err = reach_try(session, slot, deadline_ms);
	}
	if (!err)
		reach_set(session, REACH_UP);
	if (!err || err == -ECANCELED)
		return err;
	return search_give_up(session) ? -ENOTCONN : -EAGAIN;
}

int reach_connect(struct session *session, struct slot *slot, int64_t deadline_ms)
{
	int64_t until_ms;
	int err;

	for (;;) {
		err = search_begin(session, deadline_ms);
		if (err)
			return err;
		until_ms = search_deadline(session, deadline_ms);
		err = reach_try(session, slot, until_ms);
		if (err == 0) {
			reach_set(session, REACH_UP);
			return 0;
		}
		if (err == -ECANCELED)
			return err;
		if (reach_lower_limit(session, slot, err))
			return -EAGAIN;
		reach_doubt(session, err, false);
		if (search_claim(session))
			return search(session, slot, until_ms, err);
	}
}
