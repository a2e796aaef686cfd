/*
 * Whether the server can be reached, and who tries again: the first lease that finds it gone, for as long as a
 * person waits; then the keeper, for as long as it takes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/private.h"
#include "util/clock.h"
#include "util/log.h"

/* Servers may log out who is silent for 30 minutes (RFC 9051 §5.4), and some do it after 10. */
#define KEEP_ALIVE_MS (9 * 60 * 1000)
#define KEEPER_TICK_MS 30000
#define CONNECT_MIN_MS 1000
/* A server that was busy may let more in later. */
#define LIMIT_MS (5 * 60 * 1000)

void session_note_error(struct session *session, const char *text)
{
	pthread_mutex_lock(&session->lock);
	snprintf(session->last_error, sizeof(session->last_error), "%s", text);
	session->last_error_s = clock_wall_s();
	pthread_mutex_unlock(&session->lock);
}

static void set_reach(struct session *session, enum reach reach)
{
	enum reach before;

	pthread_mutex_lock(&session->lock);
	before = session->reach;
	session->reach = reach;
	if (reach == REACH_UP) {
		backoff_reset(&session->backoff);
		if (before != REACH_UP)
			session->reconnects++;
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

/* One try; notes and logs a failure. */
static int try_connect(struct session *session, struct slot *slot, int64_t deadline_ms)
{
	struct imap_conn *conn = NULL;
	char *error = NULL;
	int64_t left_ms = deadline_ms - clock_ms();
	int timeout_ms = session->conn.timeout_ms;
	int err;

	if (left_ms < timeout_ms)
		timeout_ms = left_ms > CONNECT_MIN_MS ? (int)left_ms : CONNECT_MIN_MS;
	err = session_connect(session, timeout_ms, &conn, &error);
	if (err == 0) {
		slot_fill(session, slot, conn);
	} else if (err != -ECANCELED) {
		session_note_error(session, error ? error : strerror(-err));
		log_info("%s", error ? error : strerror(-err));
	}
	free(error);
	return err;
}

/* The server takes no more connections, but has given us some. */
static bool lower_limit(struct session *session, const struct slot *slot, int err)
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

/* Sleeps, but not through a stop. */
static int pause_until(struct session *session, int64_t until_ms)
{
	int err = 0;

	pthread_mutex_lock(&session->lock);
	while (!session->stopping && err != -ETIMEDOUT)
		err = clock_cond_wait(&session->changed, &session->lock, until_ms);
	err = session->stopping ? -ECANCELED : 0;
	pthread_mutex_unlock(&session->lock);
	return err;
}

static int64_t next_try_ms(struct session *session)
{
	int64_t ms;

	pthread_mutex_lock(&session->lock);
	ms = backoff_next_ms(&session->backoff);
	pthread_mutex_unlock(&session->lock);
	return clock_ms() + ms;
}

/* A refusal of the credentials or the certificate does not get better by asking every second. */
static bool hopeless(int err)
{
	return err == -EACCES || err == -EPERM || err == -EKEYREJECTED || err == -ENOMEM;
}

static int search(struct session *session, struct slot *slot, int64_t deadline_ms, int err)
{
	while (err && err != -ECANCELED && !hopeless(err)) {
		int64_t next_ms = next_try_ms(session);

		if (next_ms >= deadline_ms)
			break;
		err = pause_until(session, next_ms);
		if (!err)
			err = try_connect(session, slot, deadline_ms);
	}
	set_reach(session, err ? REACH_DOWN : REACH_UP);
	if (err == -ECANCELED)
		return err;
	return err ? -ENOTCONN : 0;
}

int reach_connect(struct session *session, struct slot *slot, int64_t deadline_ms)
{
	int err;

	for (;;) {
		err = search_begin(session, deadline_ms);
		if (err)
			return err;
		err = try_connect(session, slot, deadline_ms);
		if (err == 0) {
			set_reach(session, REACH_UP);
			return 0;
		}
		if (err == -ECANCELED)
			return err;
		if (lower_limit(session, slot, err))
			return -EAGAIN;
		if (search_claim(session))
			return search(session, slot, deadline_ms, err);
	}
}

/* ---- the keeper -------------------------------------------------------------------- */

/* An idle slot that `want` accepts, leased to the keeper; NULL. */
static struct slot *keeper_take(struct session *session, bool (*want)(const struct slot *slot))
{
	struct slot *found = NULL;

	pthread_mutex_lock(&session->lock);
	for (size_t i = 0; i < session->limit && !found && !session->stopping; i++)
		if (!session->slots[i].leased && want(&session->slots[i]))
			found = &session->slots[i];
	if (found)
		found->leased = true;
	pthread_mutex_unlock(&session->lock);
	return found;
}

static void keeper_give(struct session *session, struct slot *slot)
{
	pthread_mutex_lock(&session->lock);
	slot->used_ms = clock_ms();
	slot->leased = false;
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
}

static bool is_empty(const struct slot *slot)
{
	return !slot->conn;
}

static bool is_idle(const struct slot *slot)
{
	return slot->conn && clock_ms() - slot->used_ms >= KEEP_ALIVE_MS;
}

static bool is_down(struct session *session)
{
	bool down;

	pthread_mutex_lock(&session->lock);
	down = session->reach == REACH_DOWN;
	pthread_mutex_unlock(&session->lock);
	return down;
}

static void keeper_connect(struct session *session)
{
	struct slot *slot = keeper_take(session, is_empty);
	int err;

	if (!slot)
		return;
	err = try_connect(session, slot, clock_ms() + session->conn.timeout_ms);
	if (err == 0)
		set_reach(session, REACH_UP);
	else
		lower_limit(session, slot, err);
	keeper_give(session, slot);
}

static void keep_alive(struct session *session)
{
	struct slot *slot;

	pthread_mutex_lock(&session->lock);
	if (session->limited_ms && clock_ms() - session->limited_ms >= LIMIT_MS) {
		session->limit = session->slot_count;
		session->limited_ms = 0;
	}
	pthread_mutex_unlock(&session->lock);
	while ((slot = keeper_take(session, is_idle))) {
		if (imap_noop(slot->conn) < 0 && !imap_conn_alive(slot->conn))
			slot_drop(session, slot);
		keeper_give(session, slot);
	}
}

/* Sleeps until `until_ms`, or until reach changes from what it was. */
static void keeper_sleep(struct session *session, int64_t until_ms, bool down)
{
	int err = 0;

	pthread_mutex_lock(&session->lock);
	while (!session->stopping && err != -ETIMEDOUT && (session->reach == REACH_DOWN) == down)
		err = clock_cond_wait(&session->changed, &session->lock, until_ms);
	pthread_mutex_unlock(&session->lock);
}

static bool is_stopping(struct session *session)
{
	bool stopping;

	pthread_mutex_lock(&session->lock);
	stopping = session->stopping;
	pthread_mutex_unlock(&session->lock);
	return stopping;
}

static void *keeper_run(void *arg)
{
	struct session *session = arg;

	/* Read-ahead will want a connection of its own, and should not wait five round trips for it. */
	if (session->slot_count > 1)
		keeper_connect(session);
	while (!is_stopping(session)) {
		bool down = is_down(session);

		keeper_sleep(session, down ? next_try_ms(session) : clock_ms() + KEEPER_TICK_MS,
			     down);
		if (is_stopping(session))
			break;
		if (is_down(session))
			keeper_connect(session);
		else
			keep_alive(session);
	}
	return NULL;
}

int keeper_start(struct session *session)
{
	int err = -pthread_create(&session->keeper, NULL, keeper_run, session);

	session->has_keeper = err == 0;
	return err;
}

void keeper_join(struct session *session)
{
	if (session->has_keeper)
		pthread_join(session->keeper, NULL);
	session->has_keeper = false;
}
