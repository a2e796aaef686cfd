/*
 * What the two halves of the ring share: ring.c (allocation, look-up, life) and ring_write.c (the
 * thread that writes bodies to the disk).
 */
#ifndef STORE_RING_IMPL_H
#define STORE_RING_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/ring.h"

#define RING_BUCKETS 8192u
#define RING_BATCH_BYTES (2u * 1024 * 1024) /* one transaction */

enum body_state { BODY_FREE, BODY_DIRTY, BODY_WRITING, BODY_CLEAN };

struct body {
	struct store_body face; /* first: body_of() casts */
	atomic_uint refs;
	struct ring_share *share;
	size_t charged;
	uint32_t box, chunk;
	imap_uid uid;
	/* guarded by share.lock */
	enum body_state state;
	bool hashed;
	struct body *hash_next, *next, *prev;
	char data[];
};

struct queue {
	struct body *first, *last;
	size_t bytes, count;
};

/* What bodies need when they go; outlives the ring while others hold bodies. */
struct ring_share {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* room, work or stop */
	atomic_uint refs;
	size_t bytes, limit; /* guarded by lock */
};

struct ring {
	struct ring_share *share;
	struct ring_params params;
	pthread_t writer;
	/* guarded by share.lock */
	struct body *buckets[RING_BUCKETS];
	struct queue dirty, clean;
	int64_t dirty_last_ms;
	bool stopped, closing;
};

/* The lock is held. */
void body_queue_add(struct queue *queue, struct body *body);
void body_queue_remove(struct queue *queue, struct body *body);
/* Drops the references of bodies that hang on each other by `next`. The lock is not held. */
void bodies_put(struct body *gone);
/* The thread; user is the ring. */
void *ring_write_bodies(void *user);

#endif
