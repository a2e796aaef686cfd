/*
 * Single bodies from the server, for a reader who waits: the whole of a message up to a chunk,
 * else the chunk as a window. Also what every body's arrival proves: the size, and that the message
 * is still there. How the bytes are taken in is sink.c's affair.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/private.h"
#include "store/sink.h"
#include "util/clock.h"
#include "util/log.h"

#define PATIENCE_AHEAD_MS 5000 /* how long a reader waits for what read-ahead has under way */
#define WINDOWS_MAX 1024 /* a message longer than announced: this many windows to find its end */
#define FAILED_MS 1500   /* how long a failure is the answer to whoever asks again */

void fetch_size_proven(struct store *store, struct box *box, uint32_t number, imap_uid uid,
		       uint64_t size, bool tell)
{
	struct cache_message_row row;

	if (cache_message_get(store->cache, number, uid, &row) != 0 ||
	    (row.m.size == size && row.m.exact))
		return;
	if (row.m.size == size && size % CACHE_CHUNK_SIZE != 0)
		return; /* as announced, and the last chunk shows the end */
	cache_message_set_size(store->cache, number, uid, size);
	if (tell && row.m.size != size)
		tell_attr(store, message_ino(&row.m));
}

static bool lease_fits(struct store *store, struct box *box, uint32_t number,
		       const struct lease *lease)
{
	const struct imap_selected *selected = lease_selected(lease);
	bool fits;

	pthread_mutex_lock(&store->lock);
	fits = selected != NULL && box->number == number &&
	       (selected->uidvalidity == 0 || selected->uidvalidity == box->uidvalidity);
	pthread_mutex_unlock(&store->lock);
	return fits;
}

int fetch_check_lease(struct store *store, struct box *box, uint32_t number, struct lease *lease)
{
	bool counted;
	uint32_t count = 0;
	int r = 0;

	/* A connection that opened the mailbox long ago may not know of new messages, or even have
	 * another mailbox of that name. That it knows of more than the index does no harm. */
	counted = cache_message_count(store->cache, number, &count) == 0;
	if (!lease_fresh(lease) && (!lease_fits(store, box, number, lease) || !counted ||
				    lease_selected(lease)->exists < count))
		r = lease_refresh(lease);
	if (r == 0 && !lease_fits(store, box, number, lease)) {
		sync_start(store, box);
		r = -ESTALE;
	}
	if (r == 0 && counted && lease_selected(lease)->exists != count)
		sync_hint(store, box, store->poll_ms);
	return r;
}

void fetch_vanished(struct store *store, struct box *box, uint32_t number, imap_uid uid)
{
	struct cache_message_row row;
	struct imap_set gone = { 0 };
	char name[MSGNAME_SIZE];
	size_t len;

	if (cache_message_get(store->cache, number, uid, &row) != 0)
		return;
	len = message_name(store, box, &row.m, name);
	if (imap_set_add(&gone, uid) == 0 &&
	    cache_message_remove(store->cache, number, &gone) == 0) {
		struct cache_mailbox now = { .mtime_s = clock_wall_s() };

		cache_mailbox_update(store->cache, box->id, CACHE_MB_MTIME, &now);
		tell_removed(store, box_ino(box->id), (struct slice){ name, len },
			     message_ino(&row.m));
		tell_listing(store, box_ino(box->id));
	}
	imap_set_release(&gone);
}

bool fetch_chunk_full(struct store *store, uint32_t number, imap_uid uid, uint32_t chunk)
{
	struct store_body *body = ring_find(store->ring, number, uid, chunk);
	size_t len = 0;
	char byte;

	if (body != NULL)
		len = body->len;
	else if (cache_body_read(store->cache, number, uid, chunk, 0, &byte, 1, &len) != 1)
		len = 0;
	store_body_put(&body);
	return len == CACHE_CHUNK_SIZE;
}

/* ---- one fetch ---------------------------------------------------------------------------- */

struct single {
	struct store *store;
	struct box *box;
	uint32_t number;
	imap_uid uid;
	uint32_t chunk;
	uint64_t announced, begun;
	bool whole, exact;
	/* results */
	struct store_body *body; /* the chunk that is wanted */
	struct store_body *held; /* not of the size announced: not for the ring yet */
	bool answered;           /* something came for this UID */
	bool strange;            /* something came, but not for this UID */
	bool short_chunk;        /* the end of the message was seen */
	uint64_t end;            /* where */
	bool empty;              /* a window behind the end */
	uint64_t full_to;        /* windows without a gap came up to here */
	int error;
};

static bool single_wants(void *user, imap_uid uid)
{
	struct single *single = user;

	if (uid != single->uid)
		single->strange = true;
	return uid == single->uid;
}

static bool chunk_is_odd(const struct single *single, const struct store_body *body)
{
	return !atomic_load(&single->store->sizes_lie) &&
	       (uint64_t)ring_body_chunk(body) * CACHE_CHUNK_SIZE + body->len != single->announced;
}

static void single_chunk(void *user, struct store_body *body)
{
	struct single *single = user;

	single->answered = true;
	if (body->len < CACHE_CHUNK_SIZE && chunk_is_odd(single, body) && single->held == NULL)
		single->held = store_body_get(body);
	else
		ring_put(single->store->ring, body);
	if (ring_body_chunk(body) == single->chunk && single->body == NULL)
		single->body = store_body_get(body);
}

static void single_end(void *user, imap_uid uid, uint64_t end, bool proven)
{
	struct single *single = user;

	single->answered = true;
	single->empty = !proven && end == single->begun;
	if (proven || (single->empty && end > 0 && end == single->full_to)) {
		single->short_chunk = true;
		single->end = end;
	}
	single->full_to = end;
}

static int fetch_once(struct single *single, struct imap_conn *conn, uint32_t chunk)
{
	struct sink sink = { .store = single->store,
			     .number = single->number,
			     .patient = chunk != single->chunk,
			     .wants = single_wants,
			     .chunk = single_chunk,
			     .end = single_end,
			     .user = single };
	struct imap_request request = { .event = sink_event, .user = &sink };
	struct imap_set set = { 0 };
	int r = imap_set_add(&set, single->uid);

	single->begun = (uint64_t)chunk * CACHE_CHUNK_SIZE;
	if (r == 0)
		r = imap_uid_fetch_body_send(conn, &set, "", single->begun,
					     single->whole ? 0 : CACHE_CHUNK_SIZE, &request);
	imap_set_release(&set);
	if (r == 0)
		r = imap_conn_wait(conn, &request, 1);
	sink_release(&sink);
	if (r == 0 && request.answer.status != IMAP_OK) {
		log_warning("the server does not give the bytes of message %u: %s",
			    (unsigned)single->uid, request.answer.text);
		single->error = imap_answer_errno(&request.answer);
		single->answered = true;
	}
	single->strange = single->strange || sink.strange;
	if (r == 0 && sink.error != 0)
		single->error = sink.error;
	return r;
}

struct exists {
	imap_uid uid;
	bool found, strange;
};

static int on_exists(void *user, const struct imap_event *event)
{
	struct exists *exists = user;

	if (event->type == IMAP_EVENT_FETCH && event->fetch.uid == exists->uid)
		exists->found = true;
	else if (event->type == IMAP_EVENT_FETCH && event->fetch.uid != 0)
		exists->strange = true;
	return 0;
}

/* Is there such a message? 0, with both false where the server does not say; or a final error. */
static int ask_exists(struct single *single, struct imap_conn *conn, bool *ret_gone,
		      bool *ret_found)
{
	struct exists exists = { .uid = single->uid };
	struct imap_set set = { 0 };
	int r = imap_set_add(&set, single->uid);

	if (r == 0)
		r = imap_uid_fetch(conn, &set, IMAP_FETCH_UID | IMAP_FETCH_FLAGS, on_exists,
				   &exists, NULL);
	imap_set_release(&set);
	*ret_gone = r == 0 && !exists.found && !exists.strange;
	*ret_found = exists.found;
	return r == -EREMOTEIO ? 0 : r;
}

/* Courier gives a few lines of its own, under the UID and with OK, for a message that was deleted
 * since it was told of. It owns up when asked for news. */
static bool end_is_odd(const struct single *single)
{
	if (single->held != NULL)
		return true;
	return !atomic_load(&single->store->sizes_lie) && single->answered &&
	       (single->short_chunk ? single->end != single->announced : single->empty);
}

static int settle_odd_end(struct single *single, struct imap_conn *conn, bool *ret_gone)
{
	bool found = false;
	int r = imap_noop(conn);

	if (r == 0)
		r = ask_exists(single, conn, ret_gone, &found);
	if (r != 0 || *ret_gone)
		return r;
	if (!found)
		return -EIO;
	atomic_store(&single->store->sizes_lie, true);
	if (single->held != NULL)
		ring_put(single->store->ring, single->held);
	return 0;
}

static int do_single(struct lease *lease, void *user)
{
	struct single *single = user;
	struct imap_conn *conn = lease_conn(lease);
	uint32_t chunk = single->chunk;
	bool gone = false, found;
	int r;

	single->error = 0;
	store_body_put(&single->body); /* of a try before this one */
	store_body_put(&single->held);
	single->strange = single->answered = single->short_chunk = single->empty = false;
	r = fetch_check_lease(single->store, single->box, single->number, lease);
	if (r == 0)
		r = fetch_once(single, conn, chunk);
	if (r == 0 && !single->answered && !single->strange && !lease_fresh(lease)) {
		r = lease_refresh(lease);
		if (r == 0)
			r = fetch_once(single, conn, chunk);
	}
	/* A window that is full where the message should have ended, or has just its last byte: how
	 * far does it go? */
	while (r == 0 && single->error == 0 && !single->whole && !single->short_chunk &&
	       !single->empty && single->answered && !single->exact &&
	       (uint64_t)(chunk + 1) * CACHE_CHUNK_SIZE >= single->announced &&
	       chunk - single->chunk < WINDOWS_MAX)
		r = fetch_once(single, conn, ++chunk);
	if (r == 0 && !single->answered && !single->strange)
		r = ask_exists(single, conn, &gone, &found);
	if (r == 0 && single->error == 0 && end_is_odd(single))
		r = settle_odd_end(single, conn, &gone);
	if (r != 0)
		return r;
	if (gone)
		return -ENOENT;
	if (single->error != 0)
		return single->error;
	return single->body != NULL || single->empty || (single->answered && single->short_chunk)
		       ? 0
		       : -EIO;
}

/* Says so, and remembers it where a repetition would cost the same wait. What the reader gets. */
static int fetch_failed(const struct single *single, const struct cache_mailbox *mailbox, int r)
{
	int face = r == -ENOENT || r == -ECANCELED || r == -EACCES || r == -ENOMEM ? r : -EIO;

	if (r == -ENOENT || r == -ECANCELED || r == -ENOMEM)
		return face;
	if (r != -ENOTCONN) /* the session has said once that the server is away */
		log_error("message %u of mailbox '%.*s' could not be read: %s",
			  (unsigned)single->uid, (int)mailbox->utf8.len, mailbox->utf8.ptr,
			  strerror(-r));
	/* Without a connection, or with another mailbox of that name, a failure costs no time. */
	if (r != -ENOTCONN && r != -ESTALE)
		flight_failed(single->store->flights, single->number, single->uid, single->chunk,
			      face, clock_ms() + FAILED_MS);
	return face;
}

static int fetch_alone(struct store *store, struct box *box, uint32_t number, imap_uid uid,
		       uint32_t chunk, struct store_body **ret_body)
{
	struct single single = {
		.store = store, .box = box, .number = number, .uid = uid, .chunk = chunk
	};
	struct cache_message_row message;
	struct cache_mailbox_row row;
	int r = flight_failure(store->flights, number, uid, chunk, clock_ms());

	if (r == 0)
		r = cache_message_get(store->cache, number, uid, &message);
	if (r == 0)
		r = cache_mailbox_get(store->cache, box->id, &row);
	if (r != 0)
		return r;
	single.announced = message.m.size;
	single.exact = message.m.exact;
	single.whole = chunk == 0 && message.m.size <= CACHE_CHUNK_SIZE;
	r = session_run(store->session, SESSION_INTERACTIVE, row.m.wire, do_single, &single);
	atomic_fetch_add(&store->count.single_fetches, 1);
	if (r == 0 && single.empty && !single.short_chunk &&
	    fetch_chunk_full(store, number, uid, chunk - 1)) {
		single.short_chunk = true;
		single.end = (uint64_t)chunk * CACHE_CHUNK_SIZE;
	}
	store_body_put(&single.held);
	if (r == 0 && single.short_chunk)
		fetch_size_proven(store, box, number, uid, single.end, false);
	if (r == -ENOENT)
		fetch_vanished(store, box, number, uid);
	if (r != 0) {
		store_body_put(&single.body);
		return fetch_failed(&single, &row.m, r);
	}
	*ret_body = single.body;
	return 0;
}

/* ---- for a reader --------------------------------------------------------------------------- */

/* Memory or disk may have it since the caller looked. */
static bool arrived_meanwhile(struct store *store, uint32_t number, imap_uid uid, uint32_t chunk,
			      struct store_body **ret_body, bool *ret_on_disk)
{
	*ret_body = ring_find(store->ring, number, uid, chunk);
	*ret_on_disk = *ret_body == NULL && cache_body_has(store->cache, number, uid, chunk);
	return *ret_body != NULL || *ret_on_disk;
}

int fetch_chunk(struct store *store, struct box *box, uint32_t number, imap_uid uid, uint32_t chunk,
		struct store_body **ret_body)
{
	struct flight *flight;
	bool on_disk = false, ahead;
	int r = flight_begin(store->flights, number, uid, chunk, false, &flight);

	if (r == -EALREADY) {
		ahead = flight_is_ahead(flight);
		r = flight_wait(store->flights, &flight,
				ahead ? clock_ms() + PATIENCE_AHEAD_MS : CLOCK_NEVER, ret_body);
		if (r == 0 || r == -ECANCELED || !ahead)
			return r;
		/* Read-ahead did not bring it, or not soon: no flight of our own beside it. */
		if (r == -ETIMEDOUT)
			return fetch_alone(store, box, number, uid, chunk, ret_body);
		return fetch_chunk(store, box, number, uid, chunk, ret_body);
	}
	if (r != 0)
		return r;
	*ret_body = NULL;
	if (arrived_meanwhile(store, number, uid, chunk, ret_body, &on_disk))
		r = on_disk ? -EAGAIN : 0;
	else
		r = fetch_alone(store, box, number, uid, chunk, ret_body);
	flight_finish(store->flights, &flight, r == -EAGAIN ? 0 : r, *ret_body);
	return r;
}
