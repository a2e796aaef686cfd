/*
 * The keeper: a thread of the session that opens the second connection, keeps idle ones alive, tries again while
 * the server is lost, and finds out whether a server that let few connections in lets in more.
 */
#include <errno.h>

#include "session/private.h"
#include "util/clock.h"

/* Servers may log out who is silent for 30 minutes (RFC 9051 §5.4), and some do it after 10. */
#define KEEP_ALIVE_MS (9 * 60 * 1000)
#define KEEPER_TICK_MS 30000
/* The keeper's least pause between two tries when somebody asks for the server. */
#define ASKED_MS 2500
/* A server that was busy may let more in after so many timeouts. */
#define LIMIT_TIMEOUTS 10

/* An idle slot that `want` accepts, leased to the keeper; NULL. */
static struct slot *keeper_take(struct session *session, bool (*want)(const struct slot *slot))
{
	struct slot *found = NULL;

	pthread_mutex_lock(&session->lock);
	for (size_t i = 0; i < session->slot_count && !found && !session->stopping; i++)
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

static bool is_open(const struct slot *slot)
{
	return slot->conn;
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

/* One more connection, if there is a place for it: 0, or an error. */
static int keeper_connect(struct session *session)
{
	struct slot *slot = keeper_take(session, is_empty);
	int err;

	if (!slot)
		return -EAGAIN;
	err = reach_try(session, slot, clock_ms() + session->conn.timeout_ms);
	if (err == 0)
		reach_set(session, REACH_UP);
	else
		reach_lower_limit(session, slot, err);
	keeper_give(session, slot);
	return err;
}

static void limit_set(struct session *session, size_t limit)
{
	pthread_mutex_lock(&session->lock);
	session->limit = limit;
	session->limited_ms = limit < session->slot_count ? clock_ms() : 0;
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
}

static size_t count_open(struct session *session)
{
	size_t count = 0;

	pthread_mutex_lock(&session->lock);
	for (size_t i = 0; i < session->slot_count; i++)
		count += session->slots[i].is_open;
	pthread_mutex_unlock(&session->lock);
	return count;
}

/* No new connection is to be had; one that is open may still do. Those that do not are closed. */
static bool keeper_revive(struct session *session)
{
	struct slot *slot;
	bool alive = false;

	while (!alive && (slot = keeper_take(session, is_open))) {
		alive = reach_trusts(session, slot->conn) && imap_noop(slot->conn) == 0;
		if (!alive)
			slot_drop(session, slot);
		keeper_give(session, slot);
	}
	if (alive) {
		reach_set(session, REACH_UP);
		limit_set(session, count_open(session));
	}
	return alive;
}

static void keeper_search(struct session *session)
{
	if (!keeper_revive(session))
		keeper_connect(session);
	pthread_mutex_lock(&session->lock);
	session->tried_ms = clock_ms();
	session->asked = false;
	pthread_mutex_unlock(&session->lock);
}

/* Whether more connections are let in by now, is found out by us and by nobody who waits. */
static void keeper_raise_limit(struct session *session)
{
	bool due;

	pthread_mutex_lock(&session->lock);
	due = session->limited_ms && session->reach == REACH_UP &&
	      clock_ms() - session->limited_ms >=
		      (int64_t)LIMIT_TIMEOUTS * session->conn.timeout_ms;
	if (due)
		session->limited_ms = clock_ms();
	pthread_mutex_unlock(&session->lock);
	if (due && keeper_connect(session) == 0)
		limit_set(session, session->slot_count);
}

static void keep_alive(struct session *session)
{
	struct slot *slot;

	keeper_raise_limit(session);
	while ((slot = keeper_take(session, is_idle))) {
		if (imap_noop(slot->conn) < 0 && !imap_conn_alive(slot->conn))
			slot_drop(session, slot);
		keeper_give(session, slot);
	}
}

/* Sleeps until `until_ms`, or until reach changes from what it was, or not much longer when somebody asks. */
static void keeper_sleep(struct session *session, int64_t until_ms, bool down)
{
	int err = 0;

	pthread_mutex_lock(&session->lock);
	while (!session->stopping && err != -ETIMEDOUT && (session->reach == REACH_DOWN) == down) {
		int64_t soon_ms = session->tried_ms + ASKED_MS;

		if (down && session->asked && !session->hopeless && soon_ms < until_ms)
			until_ms = soon_ms;
		err = clock_cond_wait(&session->changed, &session->lock, until_ms);
	}
	pthread_mutex_unlock(&session->lock);
}

static int64_t keeper_tick_ms(const struct session *session)
{
	return session->conn.timeout_ms < KEEPER_TICK_MS ? session->conn.timeout_ms
							 : KEEPER_TICK_MS;
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
	if (session->slot_count > 1 && !is_down(session))
		keeper_connect(session);
	while (!is_stopping(session)) {
		bool down = is_down(session);

		keeper_sleep(session,
			     down ? reach_next_try_ms(session)
				  : clock_ms() + keeper_tick_ms(session),
			     down);
		if (is_stopping(session))
			break;
		if (is_down(session))
			keeper_search(session);
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
