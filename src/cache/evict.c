/*
 * Which bodies stay: the most recently used, within cache->limit.
 *
 * A use is not written when it happens. Time is counted in generations, about LIMIT / 32 bytes put each; a
 * chunk carries the generation of its last use, and only a read that finds one of two or more
 * generations ago is remembered, in memory, until the next put writes it along. So a read costs no
 * write, a put a few, and the order of eviction is right to about a sixteenth of the cache.
 *
 * Room is made before it is needed, so that new bodies go into the pages of old ones and the file does not
 * grow beyond the limit; what is free all the same goes back to the disk from the end of the file.
 */
#include "cache/private.h"

#include <stdlib.h>

#include "util/clock.h"

#define GENERATIONS 32
#define USES_MAX 16384   /* remembered; beyond it they are forgotten */
#define EVICT_STEP 64    /* chunks found by one query */
#define SHRINK_PAGES 256 /* given back with one put: 8 MiB */
#define TRIM_BYTES (UINT64_C(8) << 20)
#define TRIM_MS 1000
#define PAGE_SIZE UINT64_C(32768)

/* ---- uses ------------------------------------------------------------------------ */

void evict_note_use(struct cache *cache, const struct body_key *key, uint32_t used)
{
	const struct body_key *last;

	if (atomic_load(&cache->generation) - used < 2)
		return;
	pthread_mutex_lock(&cache->use_lock);
	if (!cache->uses)
		cache->uses = calloc(USES_MAX, sizeof(*cache->uses));
	last = cache->use_count ? &cache->uses[cache->use_count - 1] : NULL;
	/* Windows of one chunk come one after the other. */
	if (last && last->box == key->box && last->uid == key->uid && last->chunk == key->chunk)
		;
	else if (cache->uses && cache->use_count < USES_MAX)
		cache->uses[cache->use_count++] = *key;
	pthread_mutex_unlock(&cache->use_lock);
}

int evict_flush_uses(struct cache *cache, struct db_conn *conn)
{
	struct body_key *uses;
	size_t count, i;
	sqlite3_stmt *use;
	int r = 0;

	pthread_mutex_lock(&cache->use_lock);
	uses = cache->uses;
	count = cache->use_count;
	cache->uses = NULL;
	cache->use_count = 0;
	pthread_mutex_unlock(&cache->use_lock);
	use = count ? db_statement(conn, BODIES_USE,
				   "UPDATE chunk SET used = ?4 WHERE box = ?1 AND uid = ?2 AND "
				   "chunk = ?3")
		    : NULL;
	for (i = 0; i < count && r == 0; i++) {
		if (use) {
			db_bind_int(use, 1, uses[i].box);
			db_bind_int(use, 2, uses[i].uid);
			db_bind_int(use, 3, uses[i].chunk);
			db_bind_int(use, 4, atomic_load(&cache->generation));
		}
		r = db_run(conn, use);
	}
	free(uses);
	return r;
}

/* ---- room ------------------------------------------------------------------------- */

static int pages_in_use(struct db_conn *conn, int64_t *ret_pages, int64_t *ret_free)
{
	int64_t pages = 0, free_pages = 0;
	int r = db_number(conn, db_statement(conn, BODIES_PAGES, "PRAGMA page_count"), &pages);

	if (r == 0)
		r = db_number(conn, db_statement(conn, BODIES_FREE_PAGES, "PRAGMA freelist_count"),
			      &free_pages);
	if (r < 0)
		return r;
	*ret_pages = pages - free_pages;
	*ret_free = free_pages;
	return 0;
}

int evict_remove(struct db_conn *conn, const struct body_key *key, int64_t id, size_t len)
{
	sqlite3_stmt *chunk = db_statement(
		conn, BODIES_REMOVE_CHUNK,
		"DELETE FROM chunk WHERE box = ?1 AND uid = ?2 AND chunk = ?3");
	sqlite3_stmt *pieces;
	int r;

	if (chunk) {
		db_bind_int(chunk, 1, key->box);
		db_bind_int(chunk, 2, key->uid);
		db_bind_int(chunk, 3, key->chunk);
	}
	r = db_run(conn, chunk);
	if (r < 0)
		return r;
	pieces = db_statement(conn, BODIES_REMOVE_PIECES,
			      "DELETE FROM piece WHERE id BETWEEN ?1 AND ?2");
	if (pieces) {
		db_bind_int(pieces, 1, id);
		db_bind_int(pieces, 2, id + evict_pieces(len) - 1);
	}
	return db_run(conn, pieces);
}

struct victim {
	struct body_key key;
	int64_t id;
	size_t len;
};

static int victims_find(struct db_conn *conn, struct victim victims[static EVICT_STEP],
			size_t *ret_count)
{
	sqlite3_stmt *oldest = db_statement(
		conn, BODIES_OLDEST,
		"SELECT box, uid, chunk, id, len FROM chunk ORDER BY used LIMIT ?1");
	size_t count = 0;
	int r;

	if (oldest)
		db_bind_int(oldest, 1, EVICT_STEP);
	while ((r = db_step(conn, oldest)) > 0 && count < EVICT_STEP) {
		int64_t len = sqlite3_column_int64(oldest, 4);

		if (len < 0 || len > CACHE_CHUNK_SIZE)
			return db_damaged(conn);
		victims[count++] = (struct victim){
			.key.box = (uint32_t)sqlite3_column_int64(oldest, 0),
			.key.uid = (imap_uid)sqlite3_column_int64(oldest, 1),
			.key.chunk = (uint32_t)sqlite3_column_int64(oldest, 2),
			.id = sqlite3_column_int64(oldest, 3),
			.len = (size_t)len,
		};
	}
	if (r < 0)
		return r;
	*ret_count = count;
	return 0;
}

/* Evicts about `bytes`, at least one chunk; *ret_bytes 0: there is nothing left. */
static int evict_some(struct cache *cache, struct db_conn *conn, uint64_t bytes,
		      uint64_t *ret_bytes)
{
	struct victim victims[EVICT_STEP];
	uint64_t gone = 0;
	size_t count = 0, i;
	int r = victims_find(conn, victims, &count);

	for (i = 0; i < count && r == 0 && (i == 0 || gone < bytes); i++) {
		r = evict_remove(conn, &victims[i].key, victims[i].id, victims[i].len);
		gone += victims[i].len + 256;
	}
	if (r < 0)
		return r;
	atomic_fetch_add(&cache->evicted, i);
	*ret_bytes = gone;
	return 0;
}

int evict_make_room(struct cache *cache, struct db_conn *conn, uint64_t bytes)
{
	/* Pages are not filled to the last byte. */
	uint64_t need = bytes + bytes / 4 + 4 * PAGE_SIZE, gone = 1;
	int64_t pages = 0, free_pages = 0;
	int r = 0;

	while (gone) {
		uint64_t used;

		r = pages_in_use(conn, &pages, &free_pages);
		if (r < 0)
			return r;
		used = (uint64_t)pages * PAGE_SIZE;
		if (used + need <= cache->limit)
			return 0;
		r = evict_some(cache, conn, used + need - cache->limit, &gone);
		if (r < 0)
			return r;
	}
	return 0;
}

int evict_shrink(struct cache *cache, struct db_conn *conn)
{
	int64_t pages = 0, free_pages = 0;
	uint64_t size;
	sqlite3_stmt *vacuum;
	int r = pages_in_use(conn, &pages, &free_pages);

	if (r < 0)
		return r;
	size = (uint64_t)(pages + free_pages) * PAGE_SIZE;
	if (size <= cache->limit || !free_pages)
		return 0;
	vacuum = db_statement(conn, BODIES_VACUUM, "PRAGMA incremental_vacuum(256)");
	_Static_assert(SHRINK_PAGES == 256, "the statement has the number");
	/* A step a page. */
	do
		r = db_step(conn, vacuum);
	while (r > 0);
	return r;
}

/* ---- beginning and end -------------------------------------------------------------- */

int evict_init(struct cache *cache)
{
	struct db_conn *conn;
	int64_t used = 0;
	int r = db_read_begin(&cache->bodies, &conn);

	/* Trouble with the bodies is no reason not to start. */
	if (r == 0)
		(void)db_read_end(
			&cache->bodies, conn,
			db_number(conn,
				  db_statement(conn, BODIES_LAST_USED,
					       "SELECT coalesce(max(used), 0) FROM chunk"),
				  &used));
	cache->last_piece = -1;
	/* The log of a small cache must not be larger than itself. */
	if (cache->limit / 16 / PAGE_SIZE < (uint64_t)cache->bodies.wal_pages)
		cache->bodies.wal_pages = (int)(cache->limit / 16 / PAGE_SIZE);
	atomic_store(&cache->generation, used < 0 || used > INT32_MAX ? 1u : (uint32_t)used + 1);
	evict_trim(cache);
	return 0;
}

static bool trim_step(struct cache *cache)
{
	int64_t pages = 0, free_pages = 0;
	uint64_t size, gone = 0;
	struct db_conn *conn;
	int r = db_write_begin(&cache->bodies, &conn);

	if (r < 0)
		return false;
	r = pages_in_use(conn, &pages, &free_pages);
	if (r == 0 && (uint64_t)pages * PAGE_SIZE > cache->limit)
		r = evict_some(cache, conn, TRIM_BYTES, &gone);
	if (r == 0)
		r = evict_shrink(cache, conn);
	size = (uint64_t)(pages + free_pages) * PAGE_SIZE;
	r = db_write_end(&cache->bodies, conn, r);
	return r == 0 && size > cache->limit && (gone || free_pages);
}

void evict_trim(struct cache *cache)
{
	int64_t deadline_ms = clock_ms() + TRIM_MS;

	while (trim_step(cache) && clock_ms() < deadline_ms)
		;
}

void evict_release(struct cache *cache)
{
	struct db_conn *conn;

	if (cache->use_count && cache->keep && db_write_begin(&cache->bodies, &conn) == 0)
		(void)db_write_end(&cache->bodies, conn, evict_flush_uses(cache, conn));
	free(cache->uses);
	cache->uses = NULL;
}

/* A put of `bytes` was written; bodies.write_lock is held. */
void evict_advance(struct cache *cache, uint64_t bytes)
{
	cache->generation_bytes += bytes;
	if (cache->generation_bytes < cache->limit / GENERATIONS)
		return;
	cache->generation_bytes = 0;
	atomic_fetch_add(&cache->generation, 1);
}
