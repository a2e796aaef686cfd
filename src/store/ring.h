/*
 * Bodies in memory between the network and bodies.db: bounded, shared, found by (box, uid, chunk).
 *
 * A body is dirty until the ring's thread has written it, in batches, and clean from then on: clean
 * ones stay for readers who come a moment later and are the first to go when room is needed. Room
 * is counted when a body is allocated, so what is still arriving counts as well. Nobody but the
 * writer touches the disk; no lock is held while it does.
 *
 * Threads: any.
 */
#ifndef STORE_RING_H
#define STORE_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"
#include "store/store.h"

struct ring;

struct ring_params {
	size_t limit; /* bytes */
	/* Stores a batch; what it cannot store is lost from the disk only. */
	int (*write)(void *user, const struct cache_body *bodies, size_t count);
	void *user;
};

int ring_new(const struct ring_params *params, struct ring **ret_ring);
/* No wait for room after this. */
void ring_stop(struct ring *ring);
/* Writes what is dirty, joins, frees. Bodies that others hold stay valid. */
void ring_free(struct ring **ring);

/* Room for a chunk of `len` bytes that is about to arrive, one reference. `wait`: until clean
 * bodies and the writer make room, -ECANCELED after ring_stop(); else it may go over the limit (one
 * chunk a caller). -ENOMEM. */
int ring_alloc(struct ring *ring, uint32_t box, imap_uid uid, uint32_t chunk, size_t len, bool wait,
	       struct store_body **ret_body);
/* Where an arriving body's bytes go, and whose it is when the server says so at the end. */
char *ring_body_data(struct store_body *body);
void ring_body_rename(struct store_body *body, imap_uid uid);
imap_uid ring_body_uid(const struct store_body *body);
uint32_t ring_body_chunk(const struct store_body *body);
/* Complete: readers find it, the writer will write it. The ring takes a reference of its own. A
 * second one of the same key replaces the first. */
void ring_put(struct ring *ring, struct store_body *body);
/* A reference, or NULL. */
struct store_body *ring_find(struct ring *ring, uint32_t box, imap_uid uid, uint32_t chunk);

size_t ring_bytes(struct ring *ring);
size_t ring_limit(struct ring *ring);

#endif
