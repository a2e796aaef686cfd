/* What struct cache is made of: for this layer alone. */
#ifndef CACHE_PRIVATE_H
#define CACHE_PRIVATE_H

#include "cache/cache.h"
#include "cache/db.h"
#include "cache/schema.h"

#define CACHE_NUMBER_FIRST 2u
#define CACHE_NUMBER_LAST ((uint32_t)INT32_MAX - 1) /* id << 32 | uid stays below 2^63 */

struct body_key {
	uint32_t box, chunk;
	imap_uid uid;
};

struct cache {
	struct db index, bodies, state;
	char *dir; /* cache_dir */
	int lock_fd;
	uint64_t limit; /* of bodies.db, never too small for a few puts */
	bool keep;      /* bodies outlive this run */

	/* What was read since the last put; see evict.c. */
	pthread_mutex_t use_lock;
	struct body_key *uses;            /* guarded by use_lock */
	size_t use_count;                 /* guarded by use_lock */
	atomic_uint_least32_t generation; /* of uses; written under bodies.write_lock */
	uint64_t generation_bytes;        /* guarded by bodies.write_lock: put in this generation */
	int64_t last_piece;               /* guarded by bodies.write_lock; -1: not known */
	uint64_t piece_epoch; /* guarded by bodies.write_lock: for which last_piece holds */

	atomic_uint_least64_t hits, misses, evicted;
};

/* state.c: the number of a directory (uidvalidity 0) or a box, a new one where there is none. */
int state_number_get(struct db_conn *conn, struct slice name, uint32_t uidvalidity,
		     uint32_t *ret_number);
int state_number_last(struct db_conn *conn, int64_t *ret_number);

/* message_write.c: all rows of a box, within a transaction. */
int message_remove_box(struct db_conn *conn, uint32_t box);

/* evict.c */
#define EVICT_PIECE_SIZE ((size_t)65536)
static inline uint32_t evict_pieces(size_t len) /* of a chunk: at least one */
{
	return len ? (uint32_t)((len - 1) / EVICT_PIECE_SIZE) + 1 : 1;
}
int evict_init(struct cache *cache);
void evict_release(struct cache *cache);
/* Makes the bodies fit a limit that was larger in the last run, as far as that goes quickly. */
void evict_trim(struct cache *cache);
/* Remembers that a chunk was read; never waits for the disk. */
void evict_note_use(struct cache *cache, const struct body_key *key, uint32_t used);
/* Within a transaction of bodies.db: writes the remembered uses; makes room for `bytes`. */
int evict_flush_uses(struct cache *cache, struct db_conn *conn);
int evict_make_room(struct cache *cache, struct db_conn *conn, uint64_t bytes);
/* Gives free pages at the file's end back to the disk, a bounded number a call. */
int evict_shrink(struct cache *cache, struct db_conn *conn);
/* Counts what was put: time passes by it. Within the transaction, as above. */
void evict_advance(struct cache *cache, uint64_t bytes);
int evict_remove(struct db_conn *conn, const struct body_key *key, int64_t id, size_t len);

#endif
