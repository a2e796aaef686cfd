/*
 * Reading: memory, then disk, then the server. The first two are cheap enough for the loop
 * thread; they need no look at the index. What a read shows of its reader's way goes to readahead.c
 * and window.c.
 */
#include <errno.h>
#include <string.h>

#include "store/private.h"

#define EVICTED_TRIES 3

struct reader {
	struct store *store;
	struct box *box;
	uint32_t number;
	imap_uid uid;
	enum store_mode mode;
	bool noted; /* this read is known to read-ahead */
};

static ssize_t copy_body(const struct store_body *body, uint64_t at, void *buf, size_t len,
			 size_t *ret_chunk_len)
{
	size_t n = at < body->len ? body->len - (size_t)at : 0;

	n = n < len ? n : len;
	memcpy(buf, (const char *)body->data + at, n);
	*ret_chunk_len = body->len;
	return (ssize_t)n;
}

/* What is here: the number of bytes, -ENOENT. */
static ssize_t copy_here(struct reader *reader, uint32_t chunk, uint64_t at, void *buf, size_t len,
			 size_t *ret_chunk_len)
{
	struct store *store = reader->store;
	struct store_body *body = ring_find(store->ring, reader->number, reader->uid, chunk);
	ssize_t n;

	if (body != NULL) {
		n = copy_body(body, at, buf, len, ret_chunk_len);
		store_body_put(&body);
		atomic_fetch_add(&store->count.readahead_hits, 1);
		return n;
	}
	return cache_body_read(store->cache, reader->number, reader->uid, chunk, at, buf, len,
			       ret_chunk_len);
}

static void note(struct reader *reader, bool hit)
{
	if (reader->noted)
		return;
	reader->noted = true;
	if (hit)
		ahead_hit(reader->store, reader->box, reader->uid);
	else
		ahead_miss(reader->store, reader->box, reader->number, reader->uid);
}

static ssize_t copy_chunk(struct reader *reader, uint32_t chunk, uint64_t at, void *buf, size_t len,
			  size_t *ret_chunk_len)
{
	ssize_t n = copy_here(reader, chunk, at, buf, len, ret_chunk_len);
	struct store_body *body = NULL;
	int r;

	if (n >= 0) {
		note(reader, true);
		return n;
	}
	if (n != -ENOENT)
		return n;
	if (reader->mode == STORE_NOWAIT)
		return -EAGAIN;
	if (chunk == 0)
		note(reader, false);
	else
		windows_read(reader->store, reader->box, reader->number, reader->uid, chunk);
	r = fetch_chunk(reader->store, reader->box, reader->number, reader->uid, chunk, &body);
	for (int tries = 0; r == -EAGAIN && tries < EVICTED_TRIES; tries++) {
		n = copy_here(reader, chunk, at, buf, len, ret_chunk_len);
		if (n != -ENOENT)
			return n;
		/* Evicted since: a small cache, and many who read. */
		r = fetch_chunk(reader->store, reader->box, reader->number, reader->uid, chunk,
				&body);
	}
	if (r != 0)
		return r == -EAGAIN ? -EIO : r;
	*ret_chunk_len = 0;
	n = body != NULL ? copy_body(body, at, buf, len, ret_chunk_len) : 0;
	store_body_put(&body);
	return n;
}

/* Goes from chunk to chunk until the buffer is full or a chunk shows the end. */
static ssize_t read_chunks(struct reader *reader, uint64_t offset, char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint32_t chunk = (uint32_t)((offset + done) / CACHE_CHUNK_SIZE);
		uint64_t at = (offset + done) % CACHE_CHUNK_SIZE;
		size_t want = len - done, chunk_len = 0;
		ssize_t n;

		if (want > CACHE_CHUNK_SIZE - at)
			want = CACHE_CHUNK_SIZE - (size_t)at;
		n = copy_chunk(reader, chunk, at, buf + done, want, &chunk_len);
		if (n < 0)
			return n;
		done += (size_t)n;
		if (chunk_len == CACHE_CHUNK_SIZE && at < 256 * 1024) /* once or twice a chunk */
			windows_read(reader->store, reader->box, reader->number, reader->uid,
				     chunk);
		if (chunk_len < CACHE_CHUNK_SIZE || (size_t)n < want)
			break;
	}
	return (ssize_t)done;
}

static bool size_known(const struct reader *reader, uint64_t *ret_size)
{
	struct cache_message_row row;

	if (cache_message_get(reader->store->cache, reader->number, reader->uid, &row) != 0)
		return false;
	*ret_size = row.m.size;
	return true;
}

ssize_t store_read(struct store *store, uint64_t ino, uint64_t offset, void *buf, size_t len,
		   enum store_mode mode, struct store_read_facts *ret_facts)
{
	struct reader reader = { .store = store,
				 .number = (uint32_t)(ino >> INO_SHIFT),
				 .uid = (imap_uid)ino,
				 .mode = mode };
	struct store_read_facts facts = { .size = 0 };
	uint64_t before = 0;
	bool announced;
	ssize_t n;
	int r;

	if (ino == STORE_ROOT || reader.uid == 0)
		return -EISDIR;
	if (ino >> 63 != 0)
		return -ENOENT;
	if (offset / CACHE_CHUNK_SIZE > UINT32_MAX / 2)
		return 0;
	r = box_by_number(store, reader.number, &reader.box);
	if (r != 0)
		return r;
	/* Only the server can prove a size wrong, so only reads that ask it look. */
	announced = mode == STORE_WAIT && size_known(&reader, &before);
	n = read_chunks(&reader, offset, buf, len);
	if (n < 0)
		return n;
	if (announced && size_known(&reader, &facts.size)) {
		facts.size_grew = facts.size > before;
		facts.size_shrank = facts.size < before;
	}
	*ret_facts = facts;
	return n;
}
