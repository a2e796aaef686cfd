/*
 * Read-ahead, the fetching half: one thread a stream, which keeps several batches of bodies under
 * way on one background lease, as far ahead of the reader as its track allows. A body goes into the
 * ring first and is offered to the kernel's page cache then, so that a read that comes between
 * finds it. Markers are not offered: their reads tell where the reader is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/ahead.h"
#include "store/sink.h"
#include "util/clock.h"
#include "util/log.h"

#define BATCHES 16                     /* under way at most */
#define BATCH_BYTES (2u * 1024 * 1024) /* about, of one */
#define BATCH_RANGES 500               /* of its set: fits a line */
#define IDLE_MS 5000                   /* how long a lease is kept for a reader that stopped */
#define CONNECTIONS_FEW                                                                            \
	2             /* with so few of them a lease is kept only for a moment at a time, ...  \
			   */
#define SLICE_MS 1000 /* ... this long */
#define RETRY_MS 5000
#define WARM_MS 10

struct item {
	imap_uid uid;
	uint64_t size; /* as announced */
	bool marker;
	struct flight *flight; /* NULL: landed */
};

struct batch {
	struct imap_request request;
	struct item items[TRACK_BATCH_MAX]; /* by UID */
	size_t count;
};

/* One round on a lease. Owner thread. */
struct run {
	struct stream *stream;
	struct store *store;
	struct box *box;
	uint32_t number;
	uint64_t generation;
	int64_t until_ms; /* the lease goes back then, INT64_MAX: when idle */
	struct sink sink;
	struct batch *batches[BATCHES]; /* in the order they were sent */
	size_t count;
};

/* ---- what arrives ----------------------------------------------------------------------- */

static int compare_items(const void *a, const void *b)
{
	imap_uid x = ((const struct item *)a)->uid, y = ((const struct item *)b)->uid;

	return (x > y) - (x < y);
}

static struct item *item_of(struct run *run, imap_uid uid)
{
	struct item key = { .uid = uid }, *found;

	for (size_t i = 0; i < run->count; i++) {
		found = bsearch(&key, run->batches[i]->items, run->batches[i]->count, sizeof(key),
				compare_items);
		if (found != NULL)
			return found;
	}
	return NULL;
}

static bool run_wants(void *user, imap_uid uid)
{
	return item_of(user, uid) != NULL;
}

static void run_chunk(void *user, struct store_body *body)
{
	struct run *run = user;
	struct item *item = item_of(run, ring_body_uid(body));
	/* Of the whole literal, also while its first chunk is all that came. */
	uint64_t real = run->sink.position + run->sink.left;

	/* Is it gone, or the size a lie? Who reads it asks. */
	if (item != NULL && real != item->size && !atomic_load(&run->store->sizes_lie))
		return;
	/* Who finds it in memory must find its size right. */
	if (item != NULL && real != item->size)
		fetch_size_proven(run->store, run->box, run->number, item->uid, real, true);
	ring_put(run->store->ring, body);
	if (item == NULL || item->flight == NULL || ring_body_chunk(body) != 0)
		return;
	flight_finish(run->store->flights, &item->flight, 0, body);
	/* The kernel takes as many bytes as it believes the file has: only a size that is right
	 * will do. */
	if (!item->marker && body->len == item->size && body->len > 0)
		tell_body(run->store, body);
}

static void run_end(void *user, imap_uid uid, uint64_t end, bool proven)
{
	struct run *run = user;
	struct item *item = item_of(run, uid);

	if (proven && item != NULL && item->size != end && atomic_load(&run->store->sizes_lie))
		fetch_size_proven(run->store, run->box, run->number, uid, end, true);
}

/* ---- batches ------------------------------------------------------------------------------ */

static void batch_drop(struct run *run, struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) /* not answered: whoever waits asks for himself */
		if (batch->items[i].flight != NULL)
			flight_finish(run->store->flights, &batch->items[i].flight, -ESTALE, NULL);
	free(batch);
}

/* Announces what will be asked for: to the track (which chooses markers) and to readers. */
static int batch_fill(struct run *run, struct batch *batch, const struct candidate *items,
		      size_t count, imap_uid cursor, bool ended)
{
	struct stream *stream = run->stream;
	struct ahead *ahead = stream->ahead;
	struct flight *flight;
	int r = 0;

	for (size_t i = 0; i < count; i++)
		if (flight_begin(run->store->flights, run->number, items[i].uid, 0, true,
				 &flight) == 0)
			batch->items[batch->count++] = (struct item){ items[i].uid, items[i].size,
								      false, flight };
	pthread_mutex_lock(&ahead->lock);
	if (stream->generation != run->generation)
		r = -ECANCELED;
	for (size_t i = 0; i < batch->count && r == 0; i++)
		r = track_issue(&stream->track, batch->items[i].uid, batch->items[i].size,
				&batch->items[i].marker);
	if (r == 0) {
		stream->cursor = cursor;
		stream->ended = ended;
	}
	pthread_mutex_unlock(&ahead->lock);
	qsort(batch->items, batch->count, sizeof(*batch->items), compare_items);
	return r;
}

static int batch_send(struct run *run, struct imap_conn *conn, struct batch *batch)
{
	struct imap_set set = { 0 };
	int r = 0;

	for (size_t i = 0; i < batch->count && r == 0; i++)
		r = imap_set_add(&set, batch->items[i].uid);
	batch->request = (struct imap_request){ .event = sink_event, .user = &run->sink };
	if (r == 0)
		r = imap_uid_fetch_body_send(conn, &set, "", 0, 0, &batch->request);
	imap_set_release(&set);
	if (r == 0)
		atomic_fetch_add(&run->store->count.readahead_batches, 1);
	return r;
}

/* Sparse UIDs make long lines. */
static size_t cut_ranges(const struct candidate *items, size_t count)
{
	size_t ranges = 0;

	for (size_t i = 0; i < count; i++) {
		bool joined = i > 0 && (items[i].uid + 1 == items[i - 1].uid ||
					items[i].uid == items[i - 1].uid + 1);

		if (!joined && ++ranges > BATCH_RANGES)
			return i;
	}
	return count;
}

/* One more batch under way, if the track allows: 1, 0 (none), or -errno. */
static int batch_next(struct run *run, struct imap_conn *conn)
{
	struct stream *stream = run->stream;
	struct ahead *ahead = stream->ahead;
	struct candidate items[TRACK_BATCH_MAX];
	enum walk_order order;
	struct batch *batch;
	uint64_t room;
	imap_uid cursor;
	size_t max, count;
	bool ended;
	int r;

	pthread_mutex_lock(&ahead->lock);
	max = stream->generation != run->generation || stream->ended || ahead->stopped
		      ? 0
		      : track_batch(&stream->track);
	room = track_room(&stream->track);
	order = stream->order;
	cursor = stream->cursor;
	pthread_mutex_unlock(&ahead->lock);
	if (max == 0 || run->count == BATCHES || clock_ms() > run->until_ms)
		return 0;
	r = candidates_find(run->store, run->number, order, &cursor, max,
			    room < BATCH_BYTES ? room : BATCH_BYTES, items, &count, &ended);
	if (r != 0)
		return r;
	if (cut_ranges(items, count) < count) {
		count = cut_ranges(items, count);
		cursor = items[count - 1].uid;
		ended = false;
	}
	batch = calloc(1, sizeof(*batch));
	if (batch == NULL)
		return -ENOMEM;
	r = batch_fill(run, batch, items, count, cursor, ended);
	if (r == 0 && batch->count > 0)
		r = batch_send(run, conn, batch);
	if (r != 0 || batch->count == 0) {
		batch_drop(run, batch);
		return r == 0 ? !ended : r == -ECANCELED ? 0 : r;
	}
	run->batches[run->count++] = batch;
	return 1;
}

/* Waits for the oldest batch. */
static int batch_wait(struct run *run, struct imap_conn *conn)
{
	struct batch *batch = run->batches[0];
	int r = imap_conn_wait(conn, &batch->request, 1);

	if (r != 0)
		return r;
	if (batch->request.answer.status != IMAP_OK)
		log_debug("read-ahead was refused: %s", batch->request.answer.text);
	run->count--;
	memmove(run->batches, run->batches + 1, run->count * sizeof(*run->batches));
	batch_drop(run, batch);
	return run->sink.error;
}

/* ---- the run of a stream --------------------------------------------------------------------- */

static bool may_go_on(struct stream *stream, uint64_t generation)
{
	return !stream->ahead->stopped && stream->generation == generation;
}

/* Nothing under way: the reader decides. False: give the lease back. */
static bool wait_for_reader(struct run *run)
{
	struct stream *stream = run->stream;
	struct ahead *ahead = stream->ahead;
	int64_t deadline = clock_ms() + IDLE_MS;
	bool go_on;

	if (run->until_ms != INT64_MAX)
		return false;
	pthread_mutex_lock(&ahead->lock);
	while (may_go_on(stream, run->generation) &&
	       (!stream->ended || stream->order == WALK_NONE) &&
	       (stream->order == WALK_NONE || track_room(&stream->track) < stream->track.limit / 8))
		if (clock_cond_wait(&ahead->wake, &ahead->lock, deadline) != 0)
			break;
	go_on = may_go_on(stream, run->generation) && !stream->ended && clock_ms() < deadline;
	pthread_mutex_unlock(&ahead->lock);
	return go_on;
}

static int run_on_lease(struct run *run, struct lease *lease)
{
	struct imap_conn *conn = lease_conn(lease);
	int r = fetch_check_lease(run->store, run->box, run->number, lease);

	if (r != 0)
		return r;
	while (true) {
		do
			r = batch_next(run, conn);
		while (r > 0);
		if (r == 0 && run->count > 0)
			r = batch_wait(run, conn);
		else if (r == 0 && !wait_for_reader(run))
			return 0;
		if (r != 0)
			return r;
	}
}

/* What is under way on a healthy connection must come in before others use it. */
static void drain(struct run *run, struct lease *lease)
{
	struct imap_conn *conn = lease_conn(lease);

	while (run->count > 0 && imap_conn_alive(conn))
		if (batch_wait(run, conn) != 0 && !imap_conn_alive(conn))
			break;
}

static int stream_run(struct run *run)
{
	struct cache_mailbox_row row;
	struct session_status session;
	struct lease *lease = NULL;
	bool few;
	int r = cache_mailbox_get(run->store->cache, run->box->id, &row);

	run->sink = (struct sink){ .store = run->store,
				   .number = run->number,
				   .patient = true,
				   .wants = run_wants,
				   .chunk = run_chunk,
				   .end = run_end,
				   .user = run };
	session_status_get(run->store->session, &session);
	few = session.connections_max <= CONNECTIONS_FEW;
	run->until_ms = few ? clock_ms() + SLICE_MS : INT64_MAX;
	/* Somebody does wait for a walk: behind many who read one by one it would never begin, and
	 * they would all be slow. */
	if (r == 0)
		r = session_lease(run->store->session,
				  few ? SESSION_BACKGROUND : SESSION_INTERACTIVE, row.m.wire,
				  &lease);
	if (r != 0)
		return r;
	r = run_on_lease(run, lease);
	drain(run, lease);
	/* The requests of a broken connection may go only after it. */
	lease_return(&lease);
	while (run->count > 0)
		batch_drop(run, run->batches[--run->count]);
	sink_release(&run->sink);
	return r;
}

/* The lock is held. */
static bool has_work(const struct stream *stream)
{
	return stream->box != NULL && (!stream->ended || stream->warm) &&
	       clock_ms() >= stream->retry_ms &&
	       track_room(&stream->track) >= stream->track.limit / 8;
}

void *stream_main(void *user)
{
	struct stream *stream = user;
	struct ahead *ahead = stream->ahead;
	struct run run;

	pthread_mutex_lock(&ahead->lock);
	while (!ahead->stopped) {
		int r;

		if (!has_work(stream)) {
			pthread_cond_wait(&ahead->wake, &ahead->lock);
			continue;
		}
		if (stream->warm) { /* the reader takes the connection that is there, we a new one */
			stream->warm = false;
			clock_cond_wait(&ahead->wake, &ahead->lock, clock_ms() + WARM_MS);
			if (ahead->stopped)
				break;
		}
		run = (struct run){ .stream = stream,
				    .store = ahead->store,
				    .box = stream->box,
				    .number = stream->number,
				    .generation = stream->generation };
		pthread_mutex_unlock(&ahead->lock);
		r = stream_run(&run);
		if (r != 0)
			log_debug("read-ahead ended: %s", strerror(-r));
		pthread_mutex_lock(&ahead->lock);
		if (r != 0 && stream->generation == run.generation) {
			stream->box = NULL;
			stream->retry_ms = clock_ms() + RETRY_MS;
		}
	}
	pthread_mutex_unlock(&ahead->lock);
	return NULL;
}
