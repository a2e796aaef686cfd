/* The bodies: windows of chunks, and what is evicted. */
#include "cache_fixture.h"

#define BOX 5u

/* The numbers up to BOX are given out: a cache that knows more than state.db is not kept. */
static int setup(void **state)
{
	uint32_t box;

	fixture_setup(state);
	fixture_mailbox(*state, "A", 1, &box);
	fixture_mailbox(*state, "B", 1, &box);
	assert_int_equal(box, BOX);
	return 0;
}

static void chunks_come_back_to_the_last_byte(void **state)
{
	static const size_t lens[] = { 0,      1,      7,      31,      32,     33,
				       4096,   32000,  32768,  65535,   65536,  65537,
				       131072, 131073, 700001, 1048575, 1048576 };
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(lens) / sizeof(*lens); i++)
		assert_int_equal(fixture_put_body(f, BOX, (imap_uid)(i + 1), 0, lens[i]), 0);
	for (i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		assert_true(cache_body_has(f->cache, BOX, (imap_uid)(i + 1), 0));
		if (!fixture_body_right(f, BOX, (imap_uid)(i + 1), 0, lens[i]))
			fail_msg("%zu", lens[i]);
	}
	assert_false(cache_body_has(f->cache, BOX, 1, 1));
	assert_false(cache_body_has(f->cache, BOX + 1, 1, 0));
	fixture_reopen(f);
	for (i = 0; i < sizeof(lens) / sizeof(*lens); i++)
		assert_true(fixture_body_right(f, BOX, (imap_uid)(i + 1), 0, lens[i]));
}

static void windows_are_exact(void **state)
{
	static const struct {
		uint64_t offset;
		size_t len;
	} windows[] = {
		{ 0, 0 },           { 0, 1 },         { 0, 65536 },      { 65535, 1 },
		{ 65535, 2 },       { 65536, 65536 }, { 65536, 131072 }, { 1, 200000 },
		{ 131071, 131074 }, { 299999, 1 },    { 299999, 50 },    { 300000, 1 },
		{ 300001, 5 },      { 5000000, 5 },   { 290000, 65536 }, { UINT64_MAX, 5 },
		{ 7, SIZE_MAX },
	};
	const size_t total = 300000;
	struct fixture *f = *state;
	char *want = malloc(total);
	size_t i;

	fixture_fill(want, total, BOX, 3, 1);
	assert_int_equal(fixture_put_body(f, BOX, 3, 1, total), 0);
	for (i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
		uint64_t offset = windows[i].offset;
		size_t expect = offset >= total ? 0 : total - (size_t)offset, chunk_len = 0;
		size_t room = windows[i].len < 400000 ? windows[i].len : total;
		char *got = malloc(room ? room : 1); /* exact: a byte too many is seen */
		ssize_t n;

		if (expect > windows[i].len)
			expect = windows[i].len;
		n = cache_body_read(f->cache, BOX, 3, 1, offset, got, windows[i].len, &chunk_len);
		if (n != (ssize_t)expect || chunk_len != total ||
		    (expect && memcmp(got, want + offset, expect) != 0))
			fail_msg("%llu + %zu: %zd", (unsigned long long)offset, windows[i].len, n);
		free(got);
	}
	assert_int_equal(cache_body_read(f->cache, BOX, 3, 0, 0, want, 10, NULL), -ENOENT);
	free(want);
}

static void putting_again_replaces(void **state)
{
	struct fixture *f = *state;
	char buf[8];

	assert_int_equal(fixture_put_body(f, BOX, 1, 0, 500000), 0);
	assert_int_equal(fixture_put_body(f, BOX, 2, 0, 1000), 0);
	assert_int_equal(fixture_put_body(f, BOX, 1, 0, 300), 0);
	assert_true(fixture_body_right(f, BOX, 1, 0, 300));
	assert_true(fixture_body_right(f, BOX, 2, 0, 1000));
	assert_int_equal(cache_body_read(f->cache, BOX, 1, 0, 300, buf, 8, NULL), 0);
}

static void what_is_no_chunk_is_refused(void **state)
{
	struct fixture *f = *state;
	char *data = calloc(1, CACHE_CHUNK_SIZE + 1);
	struct cache_body bodies[2] = { { BOX, 1, 0, data, 10 },
					{ BOX, 2, 0, data, CACHE_CHUNK_SIZE + 1 } };

	assert_int_equal(cache_body_put(f->cache, bodies, 2), -EINVAL);
	assert_false(cache_body_has(f->cache, BOX, 1, 0));
	assert_int_equal(cache_body_put(f->cache, bodies, 0), 0);
	free(data);
}

/* ---- eviction ----------------------------------------------------------------- */

static void reopen_with(struct fixture *f, uint64_t cache_size)
{
	f->params.cache_size = cache_size;
	fixture_reopen(f);
}

static void the_file_stays_within_cache_size(void **state)
{
	struct fixture *f = *state;
	struct cache_status status;
	off_t highest = 0;
	imap_uid uid;

	reopen_with(f, 12 * MIB);
	/* four times its size, of mixed lengths */
	for (uid = 1; uid <= 400; uid++) {
		size_t len = uid % 10 == 0 ? 1048576 : 1000 + uid * 37 % 30000;
		off_t size;

		assert_int_equal(fixture_put_body(f, BOX, uid, 0, len), 0);
		size = fixture_size(f, "bodies.db");
		highest = size > highest ? size : highest;
		/* the newest is always there */
		assert_true(fixture_body_right(f, BOX, uid, 0, len));
	}
	assert_in_range(highest, 8 * MIB, 12 * MIB);
	assert_true(fixture_size(f, "bodies.db-wal") < (off_t)(4 * MIB));
	cache_status_get(f->cache, &status);
	assert_true(status.evicted > 100);
	assert_true(status.bodies_bytes < 16 * MIB);
	fixture_reopen(f);
	assert_true(fixture_size(f, "bodies.db") <= (off_t)(12 * MIB));
	assert_true(fixture_body_right(f, BOX, 399, 0, 1000 + 399 * 37 % 30000));
	assert_false(cache_body_has(f->cache, BOX, 1, 0));
}

static void a_smaller_limit_shrinks_the_file(void **state)
{
	struct fixture *f = *state;
	imap_uid uid;

	for (uid = 1; uid <= 50; uid++)
		assert_int_equal(fixture_put_body(f, BOX, uid, 0, 1048576), 0);
	reopen_with(f, 64 * MIB); /* the log is copied at the close */
	assert_true(fixture_size(f, "bodies.db") > (off_t)(50 * MIB));
	reopen_with(f, 10 * MIB);
	/* gradually: every put gives some back */
	for (uid = 100; uid < 120; uid++)
		assert_int_equal(fixture_put_body(f, BOX, uid, 0, 1000), 0);
	fixture_reopen(f);
	assert_true(fixture_size(f, "bodies.db") <= (off_t)(10 * MIB));
	assert_true(fixture_body_right(f, BOX, 50, 0, 1048576));
	assert_true(fixture_body_right(f, BOX, 119, 0, 1000));
}

static void what_is_read_stays(void **state)
{
	struct fixture *f = *state;
	imap_uid uid;
	int round;

	reopen_with(f, 16 * MIB);
	assert_int_equal(fixture_put_body(f, BOX, 1, 0, 5000), 0);
	assert_int_equal(fixture_put_body(f, BOX, 2, 0, 5000), 0);
	/* 1 is read now and then, 2 never; also across runs */
	for (round = 0; round < 8; round++) {
		for (uid = 0; uid < 5; uid++)
			assert_int_equal(fixture_put_body(f, BOX, 100 + (imap_uid)round * 10 + uid,
							  0, 1048576),
					 0);
		assert_true(fixture_body_right(f, BOX, 1, 0, 5000));
		if (round % 3 == 2)
			fixture_reopen(f);
	}
	assert_false(cache_body_has(f->cache, BOX, 2, 0));
	assert_true(fixture_body_right(f, BOX, 1, 0, 5000));
}

static void size_zero_keeps_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_put_body(f, BOX, 1, 0, 5000), 0);
	reopen_with(f, 0);
	assert_false(cache_body_has(f->cache, BOX, 1, 0));
	/* while it is in use it is there */
	assert_int_equal(fixture_put_body(f, BOX, 2, 0, 5000), 0);
	assert_true(fixture_body_right(f, BOX, 2, 0, 5000));
	cache_close(&f->cache);
	assert_int_equal(fixture_size(f, "bodies.db"), -1);
	assert_int_equal(fixture_size(f, "bodies.db-wal"), -1);
	fixture_open(f);
	assert_false(cache_body_has(f->cache, BOX, 2, 0));
}

static void a_batch_larger_than_the_cache_is_refused(void **state)
{
	struct fixture *f = *state;
	char *data = calloc(1, CACHE_CHUNK_SIZE);
	struct cache_body bodies[13];
	size_t i;

	reopen_with(f, 1);
	for (i = 0; i < 13; i++)
		bodies[i] = (struct cache_body){ BOX, 1, (uint32_t)i, data, CACHE_CHUNK_SIZE };
	assert_int_equal(cache_body_put(f->cache, bodies, 13), -E2BIG);
	assert_int_equal(cache_body_put(f->cache, bodies, 4), 0);
	for (i = 0; i < 4; i++)
		assert_true(cache_body_has(f->cache, BOX, 1, (uint32_t)i));
	free(data);
}

static void the_logs_stay_small(void **state)
{
	struct fixture *f = *state;
	struct cache_message m;
	uint32_t box;
	imap_uid uid;

	fixture_mailbox(f, "INBOX", 1, &box);
	for (uid = 1; uid <= 4000; uid++) {
		m = (struct cache_message){ .box = box,
					    .uid = uid,
					    .name = SLICE_LIT("the same for all of them") };
		assert_int_equal(cache_message_put(f->cache, &m, 1), 0);
	}
	/* 4,000 commits of three pages each would be 50 MB */
	assert_true(fixture_size(f, "index.db-wal") < (off_t)(8 * MIB));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(chunks_come_back_to_the_last_byte),
		TEST(windows_are_exact),
		TEST(putting_again_replaces),
		TEST(what_is_no_chunk_is_refused),
		TEST(the_file_stays_within_cache_size),
		TEST(a_smaller_limit_shrinks_the_file),
		TEST(what_is_read_stays),
		TEST(size_zero_keeps_nothing),
		TEST(a_batch_larger_than_the_cache_is_refused),
		TEST(the_logs_stay_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
