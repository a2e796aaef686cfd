/*
 * Large messages come in windows of one chunk. Who reads one from chunk to chunk gets the next
 * windows fetched ahead, pipelined on a background lease: 2, 4, then 8 of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/private.h"
#include "store/sink.h"

#define READERS 8     /* large messages that are followed at a time */
#define WINDOW_MAX 8u /* chunks ahead */

struct window_reader {
	uint32_t number, last, ahead_to, window;
	imap_uid uid; /* 0: unused */
	uint64_t used;
};

struct windows {
	pthread_mutex_t lock;
	struct window_reader readers[READERS]; /* guarded by lock */
	uint64_t clock;                        /* guarded by lock */
};

struct window_job {
	struct store *store;
	struct box *box;
	uint32_t number;
	imap_uid uid;
	uint64_t size; /* as announced */
	const struct sink *sink;
	size_t count;
	struct {
		uint32_t chunk;
		struct flight *flight; /* NULL: it has landed */
	} items[WINDOW_MAX];
};

int windows_new(struct store *store, struct windows **ret_windows)
{
	struct windows *windows = calloc(1, sizeof(*windows));

	if (windows == NULL)
		return -ENOMEM;
	pthread_mutex_init(&windows->lock, NULL);
	*ret_windows = windows;
	return 0;
}

void windows_free(struct windows **windows)
{
	if (*windows == NULL)
		return;
	pthread_mutex_destroy(&(*windows)->lock);
	free(*windows);
	*windows = NULL;
}

/* ---- fetching ----------------------------------------------------------------------- */

static bool job_wants(void *user, imap_uid uid)
{
	return uid == ((struct window_job *)user)->uid;
}

/* More bytes than announced are for a reader who waits to find: it gets its answer after the kernel got
 * the true size, or would not see them. */
static bool beyond_announced(const struct window_job *job, const struct store_body *body)
{
	return body->offset + body->len > job->size;
}

static void job_chunk(void *user, struct store_body *body)
{
	struct window_job *job = user;

	if (beyond_announced(job, body))
		return;
	ring_put(job->store->ring, body);
	for (size_t i = 0; i < job->count; i++)
		if (job->items[i].flight != NULL && job->items[i].chunk == ring_body_chunk(body))
			flight_finish(job->store->flights, &job->items[i].flight, 0, body);
}

/* Fewer: the sooner the kernel hears of it, the better. */
static void job_end(void *user, imap_uid uid, uint64_t end, bool proven)
{
	struct window_job *job = user;
	bool empty = !proven && end == job->sink->begun;

	if (empty && end > 0)
		proven = fetch_chunk_full(job->store, job->number, uid,
					  (uint32_t)(end / CACHE_CHUNK_SIZE) - 1);
	if (proven && end < job->size)
		fetch_size_proven(job->store, job->box, job->number, uid, end, true);
}

static int do_windows(struct lease *lease, void *user)
{
	struct window_job *job = user;
	struct imap_conn *conn = lease_conn(lease);
	struct sink sink = { .store = job->store,
			     .number = job->number,
			     .patient = true,
			     .wants = job_wants,
			     .chunk = job_chunk,
			     .end = job_end,
			     .user = job };
	struct imap_request requests[WINDOW_MAX];
	struct imap_set set = { 0 };
	size_t sent = 0;
	int r = fetch_check_lease(job->store, job->box, job->number, lease);

	job->sink = &sink;
	if (r == 0)
		r = imap_set_add(&set, job->uid);
	for (size_t i = 0; i < job->count && r == 0; i++) {
		if (job->items[i].flight == NULL)
			continue;
		requests[sent] = (struct imap_request){ .event = sink_event, .user = &sink };
		r = imap_uid_fetch_body_send(conn, &set, "",
					     (uint64_t)job->items[i].chunk * CACHE_CHUNK_SIZE,
					     CACHE_CHUNK_SIZE, &requests[sent]);
		if (r == 0)
			sent++;
	}
	/* The requests live on this stack: all are waited for, or the connection is over. */
	for (size_t i = 0; i < sent && imap_conn_alive(conn); i++) {
		int w = imap_conn_wait(conn, &requests[i], 1);

		r = r != 0 ? r : w;
	}
	imap_set_release(&set);
	sink_release(&sink);
	return r;
}

static void window_job(void *arg)
{
	struct window_job *job = arg;
	struct cache_mailbox_row row;
	int r = atomic_load(&job->store->stopped)
			? -ECANCELED
			: cache_mailbox_get(job->store->cache, job->box->id, &row);

	if (r == 0)
		r = session_run(job->store->session, SESSION_BACKGROUND, row.m.wire, do_windows,
				job);
	for (size_t i = 0; i < job->count; i++)
		if (job->items[i].flight != NULL)
			flight_finish(job->store->flights, &job->items[i].flight,
				      r == -ECANCELED ? r : -ESTALE, NULL);
	free(job);
}

static bool is_here(struct store *store, uint32_t number, imap_uid uid, uint32_t chunk)
{
	struct store_body *body = ring_find(store->ring, number, uid, chunk);
	bool in_ring = body != NULL;

	store_body_put(&body);
	return in_ring || cache_body_has(store->cache, number, uid, chunk);
}

static void fetch_ahead(struct store *store, struct box *box, uint32_t number, imap_uid uid,
			uint64_t size, uint32_t from, uint32_t to)
{
	struct window_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return;
	*job = (struct window_job){
		.store = store, .box = box, .number = number, .uid = uid, .size = size
	};
	for (uint32_t chunk = from; chunk <= to && job->count < WINDOW_MAX; chunk++) {
		struct flight *flight;

		if (is_here(store, number, uid, chunk) ||
		    flight_begin(store->flights, number, uid, chunk, true, &flight) != 0)
			continue;
		job->items[job->count].chunk = chunk;
		job->items[job->count++].flight = flight;
	}
	if (job->count > 0 && pool_submit(store->fetchers, window_job, job) == 0)
		return;
	for (size_t i = 0; i < job->count; i++)
		flight_finish(store->flights, &job->items[i].flight, -ESTALE, NULL);
	free(job);
}

/* ---- deciding ------------------------------------------------------------------------- */

static struct window_reader *reader_of(struct windows *windows, uint32_t number, imap_uid uid)
{
	struct window_reader *oldest = &windows->readers[0];

	for (size_t i = 0; i < READERS; i++) {
		struct window_reader *reader = &windows->readers[i];

		if (reader->uid == uid && reader->number == number)
			return reader;
		if (reader->used < oldest->used)
			oldest = reader;
	}
	oldest->uid = 0;
	return oldest;
}

/* The chunks to fetch after a read in `chunk`, up to *ret_to; false: none. */
static bool decide(struct windows *windows, uint32_t number, imap_uid uid, uint32_t chunk,
		   uint32_t *ret_from, uint32_t *ret_to)
{
	struct window_reader *reader = reader_of(windows, number, uid);
	bool next = reader->uid != 0 && chunk == reader->last + 1;
	bool same = reader->uid != 0 && chunk == reader->last;

	if (!next && !same)
		*reader = (struct window_reader){
			.number = number, .uid = uid, .last = chunk, .ahead_to = chunk
		};
	reader->used = ++windows->clock;
	if (!next)
		return false;
	reader->last = chunk;
	reader->window = reader->window == 0               ? 2
			 : reader->window * 2 < WINDOW_MAX ? reader->window * 2
							   : WINDOW_MAX;
	if (reader->ahead_to < chunk)
		reader->ahead_to = chunk;
	if (chunk + reader->window - reader->ahead_to < reader->window / 2)
		return false;
	*ret_from = reader->ahead_to + 1;
	*ret_to = chunk + reader->window;
	reader->ahead_to = *ret_to;
	return true;
}

void windows_read(struct store *store, struct box *box, uint32_t number, imap_uid uid,
		  uint32_t chunk)
{
	struct cache_message_row row;
	uint32_t from, to, last;
	bool due;

	pthread_mutex_lock(&store->windows->lock);
	due = decide(store->windows, number, uid, chunk, &from, &to);
	pthread_mutex_unlock(&store->windows->lock);
	if (!due || cache_message_get(store->cache, number, uid, &row) != 0 || row.m.size == 0)
		return;
	last = (uint32_t)((row.m.size - 1) / CACHE_CHUNK_SIZE);
	/* A last chunk that is full does not show the end. */
	if (!row.m.exact && row.m.size % CACHE_CHUNK_SIZE == 0 && last > 0)
		last--;
	if (from <= last)
		fetch_ahead(store, box, number, uid, row.m.size, from, to < last ? to : last);
}
