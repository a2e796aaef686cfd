/*
 * Read-ahead, the deciding half: which reads belong to a walk through a mailbox, which walk is
 * worth a stream, and how far its reader has come. The rules are walk.c's; fetching is stream.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/ahead.h"
#include "store/thread.h"
#include "util/clock.h"

#define LIMIT_MAX (32u * 1024 * 1024) /* ahead of the reader: twice what 80 ms at 90 MB/s hold */
#define JUST_MS 1000
#define STEAL_MS 1000 /* a stream whose reader was silent this long may be taken from it */

/* ---- is it the next one? ------------------------------------------------------------- */

struct next_query {
	struct store *store;
	uint32_t number;
};

static bool among(const imap_uid *uids, size_t count, imap_uid uid)
{
	for (size_t i = 0; i < count; i++)
		if (uids[i] == uid)
			return true;
	return false;
}

static unsigned next_by_index(void *user, imap_uid from, imap_uid uid, unsigned candidates)
{
	struct next_query *query = user;
	imap_uid near[WALK_REACH];
	unsigned orders = 0;
	size_t count;

	for (unsigned order = WALK_DESCENDING; order <= WALK_ASCENDING; order <<= 1) {
		if ((candidates & order) &&
		    cache_message_next_uids(query->store->cache, query->number, from,
					    order == WALK_ASCENDING, WALK_REACH, near,
					    &count) == 0 &&
		    among(near, count, uid))
			orders |= order;
	}
	if ((candidates & WALK_BY_NAME) && query->store->names == STORE_NAMES_READABLE &&
	    cache_message_next_by_name(query->store->cache, query->number, from, WALK_REACH, near,
				       &count) == 0 &&
	    among(near, count, uid))
		orders |= WALK_BY_NAME;
	return orders;
}

/* The first or last message, where walks begin: which way from there. */
static enum walk_order at_edge(const struct next_query *query, imap_uid uid)
{
	imap_uid beyond;
	size_t count;

	/* Directories are listed newest first. */
	if (cache_message_next_uids(query->store->cache, query->number, uid, true, 1, &beyond,
				    &count) == 0 &&
	    count == 0)
		return WALK_DESCENDING;
	if (cache_message_next_uids(query->store->cache, query->number, uid, false, 1, &beyond,
				    &count) == 0 &&
	    count == 0)
		return WALK_ASCENDING;
	return WALK_NONE;
}

/* Its first listing in this mount has just come to its end. */
static bool just_listed(struct store *store, const struct box *box)
{
	int64_t now = clock_ms();
	bool just;

	pthread_mutex_lock(&store->lock);
	just = box->syncs == 1 && box->synced_ms != 0 && now - box->synced_ms < JUST_MS;
	pthread_mutex_unlock(&store->lock);
	return just;
}

/* ---- streams; ahead.lock is held -------------------------------------------------------- */

/* The read belongs to a stream: its reader is here now. */
static bool stream_read(struct ahead *ahead, const struct box *box, imap_uid uid)
{
	for (size_t i = 0; i < STREAMS; i++) {
		struct stream *stream = &ahead->streams[i];

		if (stream->box != box || !track_read(&stream->track, uid))
			continue;
		stream->used_ms = clock_ms();
		pthread_cond_broadcast(&ahead->wake);
		return true;
	}
	return false;
}

/* The one of the same mailbox that has nothing to follow yet or any more, a free one, or the one
 * longest silent. */
static struct stream *stream_choose(struct ahead *ahead, const struct box *box)
{
	struct stream *idle = NULL, *silent = NULL;
	int64_t now = clock_ms();

	for (size_t i = 0; i < STREAMS; i++) {
		struct stream *stream = &ahead->streams[i];

		if (!stream->started || stream->retry_ms > now)
			continue;
		if (stream->box == box && stream->track.count == 0)
			return stream;
		if (stream->box == NULL)
			idle = stream;
		else if (now - stream->used_ms > STEAL_MS &&
			 (silent == NULL || stream->used_ms < silent->used_ms))
			silent = stream;
	}
	return idle != NULL ? idle : silent;
}

static void stream_assign(struct ahead *ahead, struct box *box, uint32_t number,
			  enum walk_order order, imap_uid uid)
{
	struct stream *stream = stream_choose(ahead, box);
	uint64_t limit = ring_limit(ahead->store->ring);

	if (stream == NULL)
		return;
	if (stream->box == box && stream->number == number && stream->order == order &&
	    stream->track.issued == 0) { /* it is just about to begin */
		stream->cursor = uid;
		return;
	}
	stream->box = box;
	stream->number = number;
	stream->order = order;
	stream->cursor = uid;
	stream->ended = stream->warm = order == WALK_NONE;
	stream->generation++;
	stream->used_ms = clock_ms();
	track_reset(&stream->track, limit < LIMIT_MAX ? limit : LIMIT_MAX);
	pthread_cond_broadcast(&ahead->wake);
}

static bool has_stream(const struct ahead *ahead, const struct box *box)
{
	for (size_t i = 0; i < STREAMS; i++)
		if (ahead->streams[i].box == box)
			return true;
	return false;
}

/* ---- from readers --------------------------------------------------------------------------- */

void ahead_hit(struct store *store, struct box *box, imap_uid uid)
{
	struct ahead *ahead = store->ahead;

	pthread_mutex_lock(&ahead->lock);
	walk_hit(&box->walk, uid);
	stream_read(ahead, box, uid);
	pthread_mutex_unlock(&ahead->lock);
}

void ahead_warm(struct store *store, struct box *box, uint32_t number)
{
	struct ahead *ahead = store->ahead;

	pthread_mutex_lock(&ahead->lock);
	if (!ahead->stopped && !has_stream(ahead, box))
		stream_assign(ahead, box, number, WALK_NONE, 0);
	pthread_mutex_unlock(&ahead->lock);
}

void ahead_miss(struct store *store, struct box *box, uint32_t number, imap_uid uid)
{
	struct ahead *ahead = store->ahead;
	struct next_query query = { store, number };
	enum walk_order order;
	struct walk walk;
	enum walk_order edge;
	bool known;

	pthread_mutex_lock(&ahead->lock);
	known = stream_read(ahead, box, uid);
	if (known)
		walk_hit(&box->walk, uid);
	walk = box->walk;
	pthread_mutex_unlock(&ahead->lock);
	if (known)
		return;
	/* On a copy, since the index is read: what another reader changes meanwhile is lost, which
	 * costs a read. */
	edge = at_edge(&query, uid);
	order = walk_miss(&walk, uid, edge != WALK_NONE, next_by_index, &query);
	/* A listing to its end and then its first message: grep, tar, cp, an indexer. */
	if (order == WALK_NONE && edge != WALK_NONE && just_listed(store, box))
		order = edge;
	pthread_mutex_lock(&ahead->lock);
	box->walk = walk;
	/* Where a walk may just have begun, connecting can begin as well. */
	if ((order != WALK_NONE || (edge != WALK_NONE && !has_stream(ahead, box))) &&
	    !ahead->stopped)
		stream_assign(ahead, box, number, order, uid);
	pthread_mutex_unlock(&ahead->lock);
}

/* ---- life ---------------------------------------------------------------------------------------
 */

int ahead_new(struct store *store, struct ahead **ret_ahead)
{
	struct ahead *ahead = calloc(1, sizeof(*ahead));
	int r;

	if (ahead == NULL)
		return -ENOMEM;
	r = clock_cond_init(&ahead->wake);
	if (r != 0) {
		free(ahead);
		return r;
	}
	pthread_mutex_init(&ahead->lock, NULL);
	ahead->store = store;
	for (size_t i = 0; i < STREAMS && r == 0; i++) {
		ahead->streams[i].ahead = ahead;
		r = thread_start(&ahead->streams[i].thread, "read-ahead", stream_main,
				 &ahead->streams[i]);
		ahead->streams[i].started = r == 0;
	}
	if (r != 0) {
		ahead_free(&ahead);
		return r;
	}
	*ret_ahead = ahead;
	return 0;
}

void ahead_stop(struct ahead *ahead)
{
	pthread_mutex_lock(&ahead->lock);
	ahead->stopped = true;
	pthread_cond_broadcast(&ahead->wake);
	pthread_mutex_unlock(&ahead->lock);
}

void ahead_free(struct ahead **ahead_at)
{
	struct ahead *ahead = *ahead_at;

	if (ahead == NULL)
		return;
	*ahead_at = NULL;
	ahead_stop(ahead);
	for (size_t i = 0; i < STREAMS; i++) {
		if (ahead->streams[i].started)
			pthread_join(ahead->streams[i].thread, NULL);
		track_release(&ahead->streams[i].track);
	}
	pthread_cond_destroy(&ahead->wake);
	pthread_mutex_destroy(&ahead->lock);
	free(ahead);
}
