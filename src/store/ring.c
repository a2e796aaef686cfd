/* The ring of ring.h: a hash of bodies, and two queues through them, dirty and clean, both
 * in the order of arrival. */
#include "store/ring_impl.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "store/thread.h"
#include "util/clock.h"

static struct body *body_of(struct store_body *face)
{
	return (struct body *)face;
}

static void share_put(struct ring_share *share)
{
	if (atomic_fetch_sub(&share->refs, 1) != 1)
		return;
	pthread_cond_destroy(&share->changed);
	pthread_mutex_destroy(&share->lock);
	free(share);
}

struct store_body *store_body_get(struct store_body *face)
{
	atomic_fetch_add(&body_of(face)->refs, 1);
	return face;
}

void store_body_put(struct store_body **face)
{
	struct body *body;
	struct ring_share *share;

	if (*face == NULL)
		return;
	body = body_of(*face);
	*face = NULL;
	if (atomic_fetch_sub(&body->refs, 1) != 1)
		return;
	share = body->share;
	pthread_mutex_lock(&share->lock);
	share->bytes -= body->charged;
	pthread_cond_broadcast(&share->changed);
	pthread_mutex_unlock(&share->lock);
	free(body);
	share_put(share);
}

/* ---- the hash and the queues; share.lock is held ------------------------------------ */

static struct body **bucket_of(struct ring *ring, uint32_t box, imap_uid uid, uint32_t chunk)
{
	return &ring->buckets[(uid * 2654435761u ^ box * 40503u ^ chunk * 97u) % RING_BUCKETS];
}

static struct body *hash_find(struct ring *ring, uint32_t box, imap_uid uid, uint32_t chunk)
{
	struct body *body = *bucket_of(ring, box, uid, chunk);

	while (body != NULL && (body->uid != uid || body->box != box || body->chunk != chunk))
		body = body->hash_next;
	return body;
}

static void hash_remove(struct ring *ring, struct body *body)
{
	struct body **at = bucket_of(ring, body->box, body->uid, body->chunk);

	while (*at != body)
		at = &(*at)->hash_next;
	*at = body->hash_next;
	body->hashed = false;
}

static void hash_add(struct ring *ring, struct body *body)
{
	struct body **at = bucket_of(ring, body->box, body->uid, body->chunk);

	body->hash_next = *at;
	*at = body;
	body->hashed = true;
}

/* Out of the ring; the reference goes to the caller, to be put once the lock is open. */
static struct body *take_out(struct ring *ring, struct queue *queue, struct body *body)
{
	body_queue_remove(queue, body);
	if (body->hashed)
		hash_remove(ring, body);
	body->state = BODY_FREE;
	return body;
}

/* ---- allocation -------------------------------------------------------------------- */

/* Lets clean bodies go until `len` fits; the ones that were taken hang on *ret_gone by `next`. */
static bool make_room(struct ring *ring, size_t len, struct body **ret_gone)
{
	size_t freed = 0;

	while (ring->share->bytes - freed + len > ring->share->limit && ring->clean.first != NULL) {
		struct body *body = take_out(ring, &ring->clean, ring->clean.first);

		freed += body->charged;
		body->next = *ret_gone;
		*ret_gone = body;
	}
	return ring->share->bytes - freed + len <= ring->share->limit;
}

/* Charges `len` to the ring. 0 or -ECANCELED. */
static int reserve(struct ring *ring, size_t len, bool wait)
{
	struct ring_share *share = ring->share;
	bool fits = false;
	int r = 0;

	pthread_mutex_lock(&share->lock);
	while (!fits && r == 0) {
		struct body *gone = NULL;

		fits = make_room(ring, len, &gone) || !wait;
		if (gone != NULL) { /* others may hold them: then they go later */
			pthread_mutex_unlock(&share->lock);
			bodies_put(gone);
			pthread_mutex_lock(&share->lock);
			fits = share->bytes + len <= share->limit || !wait;
		} else if (!fits && ring->stopped) {
			r = -ECANCELED;
		} else if (!fits) {
			ring->dirty_last_ms = 0; /* the writer need not wait for more */
			pthread_cond_broadcast(&share->changed);
			pthread_cond_wait(&share->changed, &share->lock);
		}
	}
	if (r == 0)
		share->bytes += len;
	pthread_mutex_unlock(&share->lock);
	return r;
}

int ring_alloc(struct ring *ring, uint32_t box, imap_uid uid, uint32_t chunk, size_t len, bool wait,
	       struct store_body **ret_body)
{
	size_t charged = sizeof(struct body) + len;
	struct body *body;
	int r;

	assert(len <= CACHE_CHUNK_SIZE);
	r = reserve(ring, charged, wait);
	if (r != 0)
		return r;
	body = malloc(charged);
	if (body == NULL) {
		pthread_mutex_lock(&ring->share->lock);
		ring->share->bytes -= charged;
		pthread_mutex_unlock(&ring->share->lock);
		return -ENOMEM;
	}
	memset(body, 0, sizeof(*body));
	atomic_init(&body->refs, 1);
	atomic_fetch_add(&ring->share->refs, 1);
	body->share = ring->share;
	body->charged = charged;
	body->box = box;
	body->chunk = chunk;
	body->face = (struct store_body){ .offset = (uint64_t)chunk * CACHE_CHUNK_SIZE,
					  .len = len,
					  .data = body->data };
	ring_body_rename(&body->face, uid);
	*ret_body = &body->face;
	return 0;
}

char *ring_body_data(struct store_body *face)
{
	return body_of(face)->data;
}

void ring_body_rename(struct store_body *face, imap_uid uid)
{
	struct body *body = body_of(face);

	assert(!body->hashed);
	body->uid = uid;
	face->ino = (uint64_t)body->box << 32 | uid;
}

imap_uid ring_body_uid(const struct store_body *face)
{
	return ((const struct body *)face)->uid;
}

uint32_t ring_body_chunk(const struct store_body *face)
{
	return ((const struct body *)face)->chunk;
}

void ring_put(struct ring *ring, struct store_body *face)
{
	struct body *body = body_of(face), *old;

	store_body_get(face);
	pthread_mutex_lock(&ring->share->lock);
	old = hash_find(ring, body->box, body->uid, body->chunk);
	if (old != NULL && old->state == BODY_CLEAN)
		take_out(ring, &ring->clean, old);
	else if (old != NULL) { /* still to be written: it only stops being found */
		hash_remove(ring, old);
		old = NULL;
	}
	ring->dirty_last_ms = clock_ms();
	body->state = BODY_DIRTY;
	hash_add(ring, body);
	body_queue_add(&ring->dirty, body);
	if (ring->dirty.count == 1 || ring->dirty.bytes >= ring->share->limit / 2)
		pthread_cond_broadcast(&ring->share->changed);
	pthread_mutex_unlock(&ring->share->lock);
	if (old != NULL)
		store_body_put(&(struct store_body *){ &old->face });
}

struct store_body *ring_find(struct ring *ring, uint32_t box, imap_uid uid, uint32_t chunk)
{
	struct body *body;

	pthread_mutex_lock(&ring->share->lock);
	body = hash_find(ring, box, uid, chunk);
	if (body != NULL)
		store_body_get(&body->face);
	pthread_mutex_unlock(&ring->share->lock);
	return body != NULL ? &body->face : NULL;
}

/* ---- life ------------------------------------------------------------------------------ */

int ring_new(const struct ring_params *params, struct ring **ret_ring)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int r = -ENOMEM;

	if (ring == NULL)
		return -ENOMEM;
	ring->params = *params;
	ring->share = calloc(1, sizeof(*ring->share));
	if (ring->share == NULL)
		goto failed;
	r = clock_cond_init(&ring->share->changed);
	if (r != 0)
		goto failed;
	pthread_mutex_init(&ring->share->lock, NULL);
	atomic_init(&ring->share->refs, 1);
	ring->share->limit = params->limit;
	r = thread_start(&ring->writer, "bodies", ring_write_bodies, ring);
	if (r != 0) {
		share_put(ring->share);
		ring->share = NULL;
		goto failed;
	}
	*ret_ring = ring;
	return 0;
failed:
	free(ring->share);
	free(ring);
	return r;
}

void ring_stop(struct ring *ring)
{
	pthread_mutex_lock(&ring->share->lock);
	ring->stopped = true;
	pthread_cond_broadcast(&ring->share->changed);
	pthread_mutex_unlock(&ring->share->lock);
}

void ring_free(struct ring **ring_at)
{
	struct ring *ring = *ring_at;

	if (ring == NULL)
		return;
	*ring_at = NULL;
	pthread_mutex_lock(&ring->share->lock);
	ring->stopped = ring->closing = true;
	pthread_cond_broadcast(&ring->share->changed);
	pthread_mutex_unlock(&ring->share->lock);
	pthread_join(ring->writer, NULL);
	while (ring->clean.first != NULL)
		store_body_put(&(struct store_body *){
			&take_out(ring, &ring->clean, ring->clean.first)->face });
	share_put(ring->share);
	free(ring);
}

size_t ring_bytes(struct ring *ring)
{
	size_t bytes;

	pthread_mutex_lock(&ring->share->lock);
	bytes = ring->share->bytes;
	pthread_mutex_unlock(&ring->share->lock);
	return bytes;
}

size_t ring_limit(struct ring *ring)
{
	return ring->share->limit;
}
