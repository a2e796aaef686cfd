/* A cache in a directory of its own, for the tests of the cache layer. */
#ifndef CACHE_FIXTURE_H
#define CACHE_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/cache.h"

#define MIB (UINT64_C(1) << 20)

struct fixture {
	char root[64], cache_dir[80], state_dir[80];
	struct cache_params params;
	struct cache *cache;
};

static inline int fixture_remove_one(const char *path, const struct stat *st, int type,
				     struct FTW *ftw)
{
	return remove(path);
}

static inline void fixture_open(struct fixture *f)
{
	char *error = NULL;
	int r = cache_open(&f->params, &f->cache, &error);

	if (r < 0)
		print_error("cache_open: %s\n", error ? error : strerror(-r));
	assert_int_equal(r, 0);
	assert_null(error);
}

static inline void fixture_reopen(struct fixture *f)
{
	cache_close(&f->cache);
	assert_null(f->cache);
	fixture_open(f);
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	assert_non_null(f);
	snprintf(f->root, sizeof(f->root), "%s/imapfs-cache-XXXXXX",
		 tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->cache_dir, sizeof(f->cache_dir), "%s/cache", f->root);
	snprintf(f->state_dir, sizeof(f->state_dir), "%s/state", f->root);
	f->params = (struct cache_params){ f->cache_dir, f->state_dir, 64 * MIB, 0 };
	fixture_open(f);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	cache_close(&f->cache);
	nftw(f->root, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static inline const char *fixture_path(struct fixture *f, const char *dir, const char *file)
{
	static _Thread_local char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return path;
}

static inline off_t fixture_size(struct fixture *f, const char *file)
{
	struct stat st;

	return stat(fixture_path(f, f->cache_dir, file), &st) == 0 ? st.st_size : -1;
}

/* A mailbox of that name under the root, with a box. */
static inline uint32_t fixture_mailbox(struct fixture *f, const char *name, uint32_t uidvalidity,
				       uint32_t *ret_box)
{
	struct cache_mailbox m = { .parent = 1,
				   .wire = slice_of(name),
				   .name = slice_of(name),
				   .utf8 = slice_of(name),
				   .delimiter = '/' };
	uint32_t id = 0;

	assert_int_equal(cache_mailbox_put(f->cache, &m, &id), 0);
	assert_int_equal(cache_mailbox_set_uidvalidity(f->cache, id, uidvalidity, ret_box), 0);
	return id;
}

static inline void fixture_add(struct fixture *f, uint32_t box, imap_uid first, imap_uid last)
{
	struct imap_set set = { 0 };

	assert_int_equal(imap_set_add_range(&set, first, last), 0);
	assert_int_equal(cache_message_add_uids(f->cache, box, &set), 0);
	imap_set_release(&set);
}

/* Content that tells which message it is. */
static inline void fixture_fill(char *data, size_t len, uint32_t box, imap_uid uid, uint32_t chunk)
{
	uint64_t x = (uint64_t)box << 40 ^ (uint64_t)uid << 8 ^ chunk;
	size_t i;

	for (i = 0; i < len; i++) {
		if (i % 8 == 0)
			x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		data[i] = (char)(x >> (8 * (i % 8)));
	}
}

static inline int fixture_put_body(struct fixture *f, uint32_t box, imap_uid uid, uint32_t chunk,
				   size_t len)
{
	char *data = malloc(len ? len : 1);
	struct cache_body body = {
		.box = box, .uid = uid, .chunk = chunk, .data = data, .len = len
	};
	int r;

	assert_non_null(data);
	fixture_fill(data, len, box, uid, chunk);
	r = cache_body_put(f->cache, &body, 1);
	free(data);
	return r;
}

/* true: cached, and right to the last byte; false: not cached. */
static inline bool fixture_body_right(struct fixture *f, uint32_t box, imap_uid uid, uint32_t chunk,
				      size_t len)
{
	char *want = malloc(len + 1), *got = malloc(len + 1);
	size_t chunk_len = SIZE_MAX;
	ssize_t n;

	assert_non_null(want);
	assert_non_null(got);
	fixture_fill(want, len, box, uid, chunk);
	n = cache_body_read(f->cache, box, uid, chunk, 0, got, len + 1, &chunk_len);
	if (n >= 0) {
		assert_int_equal(n, len);
		assert_int_equal(chunk_len, len);
		assert_memory_equal(got, want, len);
	} else {
		assert_int_equal(n, -ENOENT);
	}
	free(want);
	free(got);
	return n >= 0;
}

#define FILLED 500

/* Some mail, all of it in the database files rather than in the logs. */
static inline void fixture_fill_box(struct fixture *f, uint32_t *ret_box)
{
	static char names[FILLED][64], data[FILLED][3000];
	static struct cache_message messages[FILLED];
	static struct cache_body bodies[FILLED];
	imap_uid uid;

	fixture_mailbox(f, "INBOX", 100, ret_box);
	for (uid = 1; uid <= FILLED; uid++) {
		char *name = names[uid - 1], *bytes = data[uid - 1];

		snprintf(name, sizeof(names[0]), "2024010%u-1200.Somebody.Something.%u.eml",
			 uid % 10, uid);
		messages[uid - 1] = (struct cache_message){
			.box = *ret_box, .uid = uid, .size = 3000, .name = slice_of(name)
		};
		fixture_fill(bytes, sizeof(data[0]), *ret_box, uid, 0);
		bodies[uid - 1] = (struct cache_body){ *ret_box, uid, 0, bytes, sizeof(data[0]) };
	}
	assert_int_equal(cache_message_put(f->cache, messages, FILLED), 0);
	assert_int_equal(cache_body_put(f->cache, bodies, FILLED), 0);
	fixture_reopen(f);
}

/* After damage was met: at most a few calls fail, then everything works, and nothing lies. */
static inline void fixture_works_again(struct fixture *f, uint32_t old_box)
{
	struct cache_message_row row;
	uint32_t box = 0;
	imap_uid uid;
	int tries;

	for (uid = 1; uid <= FILLED; uid++) {
		if (cache_message_get(f->cache, old_box, uid, &row) == 0)
			assert_int_equal(row.m.size, 3000);
		(void)fixture_body_right(f, old_box, uid, 0, 3000);
	}
	for (tries = 0; tries < 3; tries++) {
		struct cache_mailbox m = { .parent = 1,
					   .name = SLICE_LIT("INBOX"),
					   .utf8 = SLICE_LIT("INBOX") };
		uint32_t id;

		if (cache_mailbox_put(f->cache, &m, &id) == 0 &&
		    cache_mailbox_set_uidvalidity(f->cache, id, 100, &box) == 0)
			break;
	}
	assert_int_equal(box, old_box); /* state.db remembers */
	for (tries = 0; tries < 3; tries++)
		if (fixture_put_body(f, box, 9, 0, 4321) == 0)
			break;
	assert_true(fixture_body_right(f, box, 9, 0, 4321));
	fixture_add(f, box, 1000, 1100);
	assert_int_equal(cache_message_get(f->cache, box, 1050, &row), 0);
	fixture_reopen(f);
	assert_int_equal(cache_message_get(f->cache, box, 1050, &row), 0);
	assert_true(fixture_body_right(f, box, 9, 0, 4321));
}

#endif
