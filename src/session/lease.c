/*
 * Leases: which connection a thread gets. One that has the mailbox open goes first, then one with none, then a new
 * one, then the one that was used longest ago.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/private.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/slice.h"

/* A mailbox whose EXAMINE breaks the connection each time is not asked for for ever. */
#define LEASE_TRIES 2

/* ---- slots -------------------------------------------------------------------- */

/* EXISTS and RECENT between commands: what EXAMINE said is kept true. */
static bool on_event(void *user, const struct imap_event *event)
{
	struct slot *slot = user;

	switch (event->type) {
	case IMAP_EVENT_EXISTS: slot->selected.exists = event->number; return true;
	case IMAP_EVENT_RECENT: slot->selected.recent = event->number; return true;
	case IMAP_EVENT_EXPUNGE:
		if (slot->selected.exists)
			slot->selected.exists--;
		return true;
	case IMAP_EVENT_STATUS:
		if (event->status.code == IMAP_CODE_ALERT)
			log_warning("the server says: %.*s", (int)event->status.text.len,
				    event->status.text.ptr);
		return true;
	default: return false;
	}
}

void slot_fill(struct session *session, struct slot *slot, struct imap_conn *conn)
{
	slot->conn = conn;
	slot->used_ms = clock_ms();
	imap_conn_on_event(conn, on_event, slot);
	pthread_mutex_lock(&session->lock);
	slot->is_open = true;
	pthread_mutex_unlock(&session->lock);
}

static void slot_forget_mailbox(struct slot *slot)
{
	free(slot->mailbox);
	slot->mailbox = NULL;
	memset(&slot->selected, 0, sizeof(slot->selected));
}

void slot_drop(struct session *session, struct slot *slot)
{
	struct imap_conn_facts facts;

	if (!slot->conn)
		return;
	imap_conn_facts_get(slot->conn, &facts);
	if (!imap_conn_alive(slot->conn)) {
		session_note_error(session, imap_conn_error(slot->conn));
		reach_doubt(session, imap_conn_poll(slot->conn), true);
	}
	imap_conn_free(&slot->conn);
	slot_forget_mailbox(slot);
	pthread_mutex_lock(&session->lock);
	session->bytes_in += facts.bytes_in;
	session->bytes_out += facts.bytes_out;
	session->skipped += facts.skipped;
	slot->bytes_in = slot->bytes_out = slot->skipped = 0;
	slot->is_open = false;
	pthread_mutex_unlock(&session->lock);
}

/* Smaller is better; -1: not for this lease. */
static int slot_rank(const struct slot *slot, struct slice mailbox)
{
	if (slot->leased)
		return -1;
	if (slot->conn && slot->mailbox && slice_eqs(mailbox, slot->mailbox))
		return 0;
	if (slot->conn && !slot->mailbox)
		return 1;
	return slot->conn ? 3 : 2;
}

static bool may_take_locked(const struct session *session, enum session_priority priority)
{
	size_t leased = 0;

	for (size_t i = 0; i < session->slot_count; i++)
		leased += session->slots[i].leased;
	if (leased >= session->limit)
		return false;
	if (priority == SESSION_INTERACTIVE)
		return true;
	/* The last one is for people. */
	return !session->waiting && (session->limit == 1 || leased + 1 < session->limit);
}

static size_t open_locked(const struct session *session)
{
	size_t open = 0;

	for (size_t i = 0; i < session->slot_count; i++)
		open += session->slots[i].leased || session->slots[i].conn;
	return open;
}

static struct slot *slot_find_locked(struct session *session, enum session_priority priority,
				     struct slice mailbox)
{
	bool may_open = open_locked(session) < session->limit;
	struct slot *best = NULL;
	int best_rank = 0;

	if (!may_take_locked(session, priority))
		return NULL;
	for (size_t i = 0; i < session->slot_count; i++) {
		struct slot *slot = &session->slots[i];
		int rank = slot_rank(slot, mailbox);

		if (rank < 0 || (!slot->conn && !may_open))
			continue;
		if (!best || rank < best_rank ||
		    (rank == best_rank && slot->used_ms < best->used_ms)) {
			best = slot;
			best_rank = rank;
		}
	}
	return best;
}

/* Nobody waits while the server is lost, but the keeper is told that it is wanted. */
static int lost_locked(struct session *session)
{
	if (!session->asked) {
		session->asked = true;
		pthread_cond_broadcast(&session->changed);
	}
	return -ENOTCONN;
}

/* Waits for a slot and marks it leased. */
static int slot_take(struct session *session, enum session_priority priority, struct slice mailbox,
		     int64_t deadline_ms, struct slot **ret_slot)
{
	struct slot *slot = NULL;
	int err = 0;

	pthread_mutex_lock(&session->lock);
	if (priority == SESSION_INTERACTIVE)
		session->waiting++;
	while (!err) {
		if (session->stopping)
			err = -ECANCELED;
		else if (session->reach == REACH_DOWN)
			err = lost_locked(session);
		else if ((slot = slot_find_locked(session, priority, mailbox)))
			break;
		else
			err = clock_cond_wait(&session->changed, &session->lock, deadline_ms);
	}
	if (priority == SESSION_INTERACTIVE)
		session->waiting--;
	if (slot)
		slot->leased = true;
	pthread_mutex_unlock(&session->lock);
	if (slot)
		*ret_slot = slot;
	return slot ? 0 : err;
}

static void slot_release(struct session *session, struct slot *slot)
{
	struct imap_conn_facts facts = { 0 };

	if (slot->conn)
		imap_conn_facts_get(slot->conn, &facts);
	pthread_mutex_lock(&session->lock);
	slot->used_ms = clock_ms();
	slot->bytes_in = facts.bytes_in;
	slot->bytes_out = facts.bytes_out;
	slot->skipped = facts.skipped;
	slot->leased = false;
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
}

/* ---- leases --------------------------------------------------------------------- */

static int examine(struct session *session, struct slot *slot, struct slice mailbox, int timeout_ms)
{
	struct imap_answer answer = { 0 };
	struct imap_selected selected;
	int err;

	slot_forget_mailbox(slot);
	imap_conn_set_timeout(slot->conn, timeout_ms);
	err = imap_select(slot->conn, mailbox, true, &selected, &answer);
	imap_conn_set_timeout(slot->conn, session->conn.timeout_ms);
	if (err == -EREMOTEIO) {
		err = imap_answer_errno(&answer);
		log_warning("%s: cannot open the mailbox %.*s: %s", session->label,
			    (int)mailbox.len, mailbox.ptr, answer.text);
		return err;
	}
	if (err)
		return err;
	slot->selected = selected;
	slot->mailbox = slice_dup(mailbox);
	return slot->mailbox ? 0 : -ENOMEM;
}

/* Makes the leased slot what was asked for. -EAGAIN: take another one. */
static int slot_prepare(struct session *session, struct slot *slot, struct slice mailbox,
			int64_t deadline_ms, bool *ret_fresh)
{
	int timeout_ms = session->conn.timeout_ms, err = 0;

	if (slot->conn && (imap_conn_poll(slot->conn) < 0 || !reach_trusts(session, slot->conn)))
		slot_drop(session, slot);
	if (!slot->conn)
		err = reach_connect(session, slot, deadline_ms);
	*ret_fresh = false;
	if (err || !mailbox.ptr || (slot->mailbox && slice_eqs(mailbox, slot->mailbox)))
		return err;
	/* Late, but a mailbox takes the time that it takes to open. */
	if (deadline_ms - clock_ms() < timeout_ms / 2)
		timeout_ms /= 2;
	err = examine(session, slot, mailbox, timeout_ms);
	if (err && !imap_conn_alive(slot->conn)) {
		slot_drop(session, slot);
		return err == -ECANCELED ? err : -EAGAIN;
	}
	*ret_fresh = err == 0;
	return err;
}

static int lease_until(struct session *session, enum session_priority priority,
		       struct slice mailbox, int64_t deadline_ms, struct lease **ret_lease)
{
	struct lease *lease = calloc(1, sizeof(*lease));
	bool extended = false;
	int err = -EAGAIN;

	if (!lease)
		return -ENOMEM;
	lease->session = session;
	/* A server that lets fewer in than it said costs a round each. */
	for (size_t i = 0; err == -EAGAIN && i < LEASE_TRIES + session->slot_count; i++) {
		/* A connection that went dumb while it idled, and used up the time: once more, quickly. */
		if (i && clock_ms() >= deadline_ms) {
			if (extended)
				break;
			extended = true;
			deadline_ms = clock_ms() + session->conn.timeout_ms / 2;
		}
		err = slot_take(session, priority, mailbox, deadline_ms, &lease->slot);
		if (err)
			break;
		err = slot_prepare(session, lease->slot, mailbox, deadline_ms, &lease->fresh);
		if (err)
			slot_release(session, lease->slot);
	}
	if (err) {
		free(lease);
		return err == -EAGAIN ? -ENOTCONN : err;
	}
	*ret_lease = lease;
	return 0;
}

int session_lease(struct session *session, enum session_priority priority, struct slice mailbox,
		  struct lease **ret_lease)
{
	return lease_until(session, priority, mailbox, clock_ms() + session->conn.timeout_ms,
			   ret_lease);
}

struct imap_conn *lease_conn(struct lease *lease)
{
	return lease->slot->conn;
}

const struct imap_selected *lease_selected(const struct lease *lease)
{
	return lease->slot->mailbox ? &lease->slot->selected : NULL;
}

bool lease_fresh(const struct lease *lease)
{
	return lease->fresh;
}

int lease_refresh(struct lease *lease)
{
	struct slot *slot = lease->slot;
	char *mailbox = slot->mailbox;
	int err;

	if (!mailbox)
		return -EINVAL;
	slot->mailbox = NULL; /* examine() forgets it, and the name is needed */
	err = examine(lease->session, slot, slice_of(mailbox), lease->session->conn.timeout_ms);
	free(mailbox);
	lease->fresh = err == 0;
	return err;
}

void lease_return(struct lease **lease)
{
	struct session *session;
	struct slot *slot;

	if (!*lease)
		return;
	session = (*lease)->session;
	slot = (*lease)->slot;
	/* Answers that somebody stopped waiting for would point into memory that is gone. */
	if (!imap_conn_alive(slot->conn) || imap_conn_outstanding(slot->conn))
		slot_drop(session, slot);
	slot_release(session, slot);
	free(*lease);
	*lease = NULL;
}

/* ---- with retry -------------------------------------------------------------------- */

int session_run(struct session *session, enum session_priority priority, struct slice mailbox,
		int (*fn)(struct lease *lease, void *user), void *user)
{
	int timeout_ms = session->conn.timeout_ms, err = -ENOTCONN;
	int64_t patience_ms = timeout_ms;

	for (int i = 0; i < 2; i++) {
		struct lease *lease = NULL;
		int64_t begun_ms = clock_ms();
		bool broken;

		err = lease_until(session, priority, mailbox, begun_ms + patience_ms, &lease);
		if (err)
			return err;
		patience_ms = timeout_ms / 2 - (clock_ms() - begun_ms);
		err = fn(lease, user);
		broken = !imap_conn_alive(lease_conn(lease));
		lease_return(&lease);
		if (!err || !broken || err == -ECANCELED)
			return err;
		if (err != -ETIMEDOUT)
			patience_ms = timeout_ms;
		else if (patience_ms <= 0)
			return err;
	}
	return err;
}
