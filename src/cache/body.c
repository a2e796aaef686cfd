/*
 * The bytes of messages. A chunk (at most 1 MiB) is kept as pieces of 64 KiB, so that a window of it costs the
 * pieces it touches. Each piece carries a sum over its bytes and over what it is a piece of: whatever happens to
 * the file, a read gives the bytes that were put, or nothing.
 *
 * Bodies can be had from the server again. So nothing here is an error to a reader: it is not cached. A piece with a
 * wrong sum is just that; the chunk is written again when it comes from the server, and the others stay.
 */
#include "cache/private.h"

#include "util/log.h"

#define CHUNKS_MAX 4096 /* of one put */

/* ---- sums -------------------------------------------------------------------------- */

static uint64_t mix(uint64_t sum, uint64_t word)
{
	sum ^= word;
	sum = sum << 29 | sum >> 35;
	return sum * UINT64_C(0x9e3779b97f4a7c15);
}

/* Not against malice but against disks. Every step is a bijection of the lane, so one word that differs
 * always shows; four lanes, because a multiplication takes its time. */
static int64_t piece_sum(const struct body_key *key, size_t chunk_len, uint32_t piece,
			 const char *data, size_t len)
{
	uint64_t seed = mix(mix(mix(1, (uint64_t)key->box << 32 | key->uid),
				(uint64_t)key->chunk << 32 | piece),
			    chunk_len);
	uint64_t lanes[4] = { seed, ~seed, seed + 1, ~seed - 1 }, words[4];
	size_t i;

	for (; len >= sizeof(words); len -= sizeof(words), data += sizeof(words)) {
		memcpy(words, data, sizeof(words));
		for (i = 0; i < 4; i++)
			lanes[i] = mix(lanes[i], words[i]);
	}
	memset(words, 0, sizeof(words));
	if (len)
		memcpy(words, data, len);
	for (i = 0; i < 4; i++)
		seed = mix(seed, mix(lanes[i], words[i]));
	return (int64_t)(seed ^ seed >> 32);
}

/* ---- reading ----------------------------------------------------------------------- */

struct window {
	uint64_t offset;
	char *buf;
	size_t len; /* of buf */
	size_t done;
};

static size_t piece_len(size_t chunk_len, uint32_t piece)
{
	size_t begin = (size_t)piece * EVICT_PIECE_SIZE;
	size_t rest = chunk_len > begin ? chunk_len - begin : 0;

	return rest < EVICT_PIECE_SIZE ? rest : EVICT_PIECE_SIZE;
}

/* Copies what the window wants of one piece. */
static void window_fill(struct window *window, uint32_t piece, const char *data, size_t len)
{
	uint64_t at = window->offset + window->done - (uint64_t)piece * EVICT_PIECE_SIZE;
	size_t n = len > at ? len - (size_t)at : 0;

	if (n > window->len - window->done)
		n = window->len - window->done;
	if (n)
		memcpy(window->buf + window->done, data + at, n);
	window->done += n;
}

static int row_take(struct db_conn *conn, sqlite3_stmt *row, const struct body_key *key,
		    size_t chunk_len, uint32_t piece, struct window *window)
{
	size_t len = piece_len(chunk_len, piece);
	const char *data = sqlite3_column_blob(row, 3);

	if ((size_t)sqlite3_column_bytes(row, 3) != len || (len && !data) ||
	    piece_sum(key, chunk_len, piece, data, len) != sqlite3_column_int64(row, 2))
		return -EBADMSG;
	window_fill(window, piece, data, len);
	return 0;
}

/* Rows: len, used, sum, data; one a piece, or one without a piece where the window is past the end. */
static sqlite3_stmt *read_prepare(struct db_conn *conn, const struct body_key *key, uint32_t first,
				  int64_t last)
{
	sqlite3_stmt *read = db_statement(
		conn, BODIES_READ,
		"SELECT c.len, c.used, p.sum, p.data FROM chunk c LEFT JOIN piece p"
		" ON p.id BETWEEN c.id + ?4 AND c.id + min(?5, max(c.len - 1, 0) / 65536)"
		" WHERE c.box = ?1 AND c.uid = ?2 AND c.chunk = ?3 ORDER BY p.id");

	_Static_assert(EVICT_PIECE_SIZE == 65536, "the statement has the number");
	if (read) {
		db_bind_int(read, 1, key->box);
		db_bind_int(read, 2, key->uid);
		db_bind_int(read, 3, key->chunk);
		db_bind_int(read, 4, first);
		db_bind_int(read, 5, last);
	}
	return read;
}

static int do_read(struct db_conn *conn, const struct body_key *key, struct window *window,
		   size_t *ret_chunk_len, uint32_t *ret_used)
{
	uint32_t piece = (uint32_t)(window->offset / EVICT_PIECE_SIZE);
	int64_t last = (int64_t)((window->offset + window->len) / EVICT_PIECE_SIZE);
	sqlite3_stmt *read;
	size_t chunk_len = 0;
	int r, rows = 0;

	/* The piece behind the window is not wanted. */
	if ((window->offset + window->len) % EVICT_PIECE_SIZE == 0)
		last--;
	read = read_prepare(conn, key, piece, window->len ? last : -1);
	for (; (r = db_step(conn, read)) > 0; rows++, piece++) {
		int64_t len = sqlite3_column_int64(read, 0);

		if (len < 0 || len > CACHE_CHUNK_SIZE)
			return db_damaged(conn);
		chunk_len = (size_t)len;
		*ret_used = (uint32_t)sqlite3_column_int64(read, 1);
		if (window->offset >= chunk_len || !window->len)
			continue;
		r = row_take(conn, read, key, chunk_len, piece, window);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (!rows)
		return -ENOENT;
	/* A piece that is missing at the end. */
	if (window->offset < chunk_len && window->done < window->len &&
	    window->offset + window->done < chunk_len)
		return -EBADMSG;
	*ret_chunk_len = chunk_len;
	return 0;
}

ssize_t cache_body_read(struct cache *cache, uint32_t box, imap_uid uid, uint32_t chunk,
			uint64_t offset, void *buf, size_t len, size_t *ret_chunk_len)
{
	struct body_key key = { .box = box, .uid = uid, .chunk = chunk };
	struct window window = { .buf = buf };
	struct db_conn *conn;
	size_t chunk_len = 0;
	uint32_t used = 0;
	int r = db_read_begin(&cache->bodies, &conn);

	window.offset = offset > CACHE_CHUNK_SIZE ? CACHE_CHUNK_SIZE : offset;
	window.len = len > CACHE_CHUNK_SIZE - window.offset
			     ? CACHE_CHUNK_SIZE - (size_t)window.offset
			     : len;
	if (r == 0)
		r = db_read_end(&cache->bodies, conn,
				do_read(conn, &key, &window, &chunk_len, &used));
	if (r == -EBADMSG)
		log_warning("%s: a chunk of message %u is damaged: it is not used",
			    cache->bodies.path, uid);
	if (r < 0) {
		atomic_fetch_add_explicit(&cache->misses, 1, memory_order_relaxed);
		return -ENOENT;
	}
	atomic_fetch_add_explicit(&cache->hits, 1, memory_order_relaxed);
	evict_note_use(cache, &key, used);
	if (ret_chunk_len)
		*ret_chunk_len = chunk_len;
	return (ssize_t)window.done;
}

bool cache_body_has(struct cache *cache, uint32_t box, imap_uid uid, uint32_t chunk)
{
	struct db_conn *conn;
	sqlite3_stmt *has;
	int64_t one;

	if (db_read_begin(&cache->bodies, &conn) < 0)
		return false;
	has = db_statement(conn, BODIES_HAS,
			   "SELECT 1 FROM chunk WHERE box = ?1 AND uid = ?2 AND chunk = ?3");
	if (has) {
		db_bind_int(has, 1, box);
		db_bind_int(has, 2, uid);
		db_bind_int(has, 3, chunk);
	}
	return db_read_end(&cache->bodies, conn, db_number(conn, has, &one)) == 0;
}

/* ---- writing ----------------------------------------------------------------------- */

static int last_piece_find(struct cache *cache, struct db_conn *conn)
{
	if (cache->last_piece >= 0 && cache->piece_epoch == conn->epoch)
		return 0;
	cache->piece_epoch = conn->epoch;
	cache->last_piece = -1;
	return db_number(
		conn,
		db_statement(conn, BODIES_LAST_PIECE, "SELECT coalesce(max(id), 0) FROM piece"),
		&cache->last_piece);
}

/* What was there under this key. */
static int chunk_clear(struct db_conn *conn, const struct body_key *key)
{
	sqlite3_stmt *find = db_statement(
		conn, BODIES_FIND,
		"SELECT id, len FROM chunk WHERE box = ?1 AND uid = ?2 AND chunk = ?3");
	int64_t id, len;
	int r;

	if (find) {
		db_bind_int(find, 1, key->box);
		db_bind_int(find, 2, key->uid);
		db_bind_int(find, 3, key->chunk);
	}
	r = db_step(conn, find);
	if (r <= 0)
		return r;
	id = sqlite3_column_int64(find, 0);
	len = sqlite3_column_int64(find, 1);
	(void)sqlite3_reset(find);
	conn->active = NULL;
	if (len < 0 || len > CACHE_CHUNK_SIZE)
		return db_damaged(conn);
	return evict_remove(conn, key, id, (size_t)len);
}

static int do_put_piece(struct db_conn *conn, int64_t id, int64_t sum, const char *data, size_t len)
{
	sqlite3_stmt *put = db_statement(conn, BODIES_PUT_PIECE,
					 "INSERT INTO piece(id, sum, data) VALUES(?1, ?2, ?3)");

	if (put) {
		db_bind_int(put, 1, id);
		db_bind_int(put, 2, sum);
		/* Borrowed, like texts; "" because NULL would be no blob. */
		(void)sqlite3_bind_blob(put, 3, len ? data : "", (int)len, SQLITE_STATIC);
	}
	return db_run(conn, put);
}

static int do_put(struct cache *cache, struct db_conn *conn, const struct cache_body *body)
{
	struct body_key key = { .box = body->box, .uid = body->uid, .chunk = body->chunk };
	uint32_t piece, pieces = evict_pieces(body->len);
	int64_t id = cache->last_piece + 1;
	sqlite3_stmt *put;
	int r = chunk_clear(conn, &key);

	for (piece = 0; piece < pieces && r == 0; piece++) {
		const char *data = (const char *)body->data + (size_t)piece * EVICT_PIECE_SIZE;
		size_t len = piece_len(body->len, piece);

		r = do_put_piece(conn, id + piece, piece_sum(&key, body->len, piece, data, len),
				 data, len);
	}
	if (r < 0)
		return r;
	cache->last_piece += pieces;
	put = db_statement(
		conn, BODIES_PUT_CHUNK,
		"INSERT INTO chunk(box, uid, chunk, id, len, used) VALUES(?1, ?2, ?3, ?4, ?5, ?6)");
	if (put) {
		db_bind_int(put, 1, key.box);
		db_bind_int(put, 2, key.uid);
		db_bind_int(put, 3, key.chunk);
		db_bind_int(put, 4, id);
		db_bind_int(put, 5, (int64_t)body->len);
		db_bind_int(put, 6, atomic_load(&cache->generation));
	}
	return db_run(conn, put);
}

static int do_put_all(struct cache *cache, struct db_conn *conn, const struct cache_body *bodies,
		      size_t count, uint64_t bytes)
{
	size_t i;
	int r = last_piece_find(cache, conn);

	if (r == 0)
		r = evict_flush_uses(cache, conn);
	if (r == 0)
		r = evict_make_room(cache, conn, bytes);
	for (i = 0; i < count && r == 0; i++)
		r = do_put(cache, conn, &bodies[i]);
	if (r == 0)
		r = evict_shrink(cache, conn);
	if (r == 0)
		evict_advance(cache, bytes);
	else
		cache->last_piece = -1; /* it is undone */
	return r;
}

int cache_body_put(struct cache *cache, const struct cache_body *bodies, size_t count)
{
	struct db_conn *conn;
	uint64_t bytes = 0;
	size_t i;
	int r;

	if (!count)
		return 0;
	if (count > CHUNKS_MAX)
		return -E2BIG;
	for (i = 0; i < count; i++) {
		if (bodies[i].len > CACHE_CHUNK_SIZE)
			return -EINVAL;
		bytes += bodies[i].len;
	}
	/* It would push itself out. */
	if (bytes > cache->limit / 4 * 3)
		return -E2BIG;
	r = db_write_begin(&cache->bodies, &conn);
	if (r < 0)
		return r;
	return db_write_end(&cache->bodies, conn, do_put_all(cache, conn, bodies, count, bytes));
}
