/* The ring's writer: dirty bodies go to the disk in batches, each one transaction, and are clean
 * then. It is in no hurry: readers find them in memory, and what the processor does for the disk it does not do for
 * whoever waits for the network. So it begins when half the ring is dirty, or nothing new has come for a moment. */
#include "store/ring_impl.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util/clock.h"

#define RING_BATCH_COUNT 1024u
#define RING_LINGER_MS 300 /* nothing new for so long: write */
#define RING_NICE 5

void body_queue_add(struct queue *queue, struct body *body)
{
	body->next = NULL;
	body->prev = queue->last;
	if (queue->last != NULL)
		queue->last->next = body;
	else
		queue->first = body;
	queue->last = body;
	queue->bytes += body->charged;
	queue->count++;
}

void body_queue_remove(struct queue *queue, struct body *body)
{
	if (body->prev != NULL)
		body->prev->next = body->next;
	else
		queue->first = body->next;
	if (body->next != NULL)
		body->next->prev = body->prev;
	else
		queue->last = body->prev;
	queue->bytes -= body->charged;
	queue->count--;
}

void bodies_put(struct body *gone)
{
	while (gone != NULL) {
		struct store_body *face = &gone->face;

		gone = gone->next;
		store_body_put(&face);
	}
}

/* ---- the writer --------------------------------------------------------------------- */

struct batch {
	struct body *bodies[RING_BATCH_COUNT];
	struct cache_body rows[RING_BATCH_COUNT];
	size_t count, bytes;
};

/* Waits for something worth writing; false: closing and nothing left. The lock is held. */
static bool wait_for_work(struct ring *ring)
{
	struct ring_share *share = ring->share;

	while (true) {
		int64_t due = ring->dirty_last_ms + RING_LINGER_MS;

		if (ring->dirty.first == NULL) {
			if (ring->closing)
				return false;
			pthread_cond_wait(&share->changed, &share->lock);
		} else if (ring->closing || ring->dirty.bytes >= share->limit / 2 ||
			   clock_ms() >= due) {
			return true;
		} else {
			clock_cond_wait(&share->changed, &share->lock, due);
		}
	}
}

static void take_batch(struct ring *ring, struct batch *batch)
{
	batch->count = batch->bytes = 0;
	while (ring->dirty.first != NULL && batch->count < RING_BATCH_COUNT &&
	       batch->bytes < RING_BATCH_BYTES) {
		struct body *body = ring->dirty.first;

		body_queue_remove(&ring->dirty, body);
		body->state = BODY_WRITING;
		batch->rows[batch->count] = (struct cache_body){ body->box, body->uid, body->chunk,
								 body->data, body->face.len };
		batch->bodies[batch->count++] = body;
		batch->bytes += body->face.len;
	}
}

static void finish_batch(struct ring *ring, struct batch *batch)
{
	struct body *gone = NULL;

	pthread_mutex_lock(&ring->share->lock);
	for (size_t i = 0; i < batch->count; i++) {
		struct body *body = batch->bodies[i];

		if (body->hashed) {
			body->state = BODY_CLEAN;
			body_queue_add(&ring->clean, body);
		} else { /* replaced meanwhile */
			body->state = BODY_FREE;
			body->next = gone;
			gone = body;
		}
	}
	pthread_cond_broadcast(&ring->share->changed);
	pthread_mutex_unlock(&ring->share->lock);
	bodies_put(gone);
}

void *ring_write_bodies(void *user)
{
	struct ring *ring = user;
	struct batch *batch = calloc(1, sizeof(*batch));

	/* On Linux this is the thread's alone; without it the order of things is the same. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), RING_NICE);
	pthread_mutex_lock(&ring->share->lock);
	while (batch != NULL && wait_for_work(ring)) {
		take_batch(ring, batch);
		pthread_mutex_unlock(&ring->share->lock);
		ring->params.write(ring->params.user, batch->rows, batch->count);
		finish_batch(ring, batch);
		pthread_mutex_lock(&ring->share->lock);
	}
	pthread_mutex_unlock(&ring->share->lock);
	free(batch);
	return NULL;
}
