/*
 * How fast and how large. Not a test of time: with IMAPFS_BENCH_ROWS=N (1000000, say) it prints figures; without, it
 * goes through the same calls with a few rows, so that it does not rot.
 */
#include "cache_fixture.h"

#include <sys/resource.h>
#include <time.h>

static size_t rows_wanted = 2000;
static bool loud;

static double now_s(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double wall, cpu;

static void start(void)
{
	cpu = now_s(CLOCK_PROCESS_CPUTIME_ID);
	wall = now_s(CLOCK_MONOTONIC);
}

static void stop(const char *what, size_t count)
{
	double w = now_s(CLOCK_MONOTONIC) - wall, c = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;

	if (loud)
		print_message("%-34s %8zu: %7.3f s wall %7.3f s cpu %7.2f us each\n", what, count,
			      w, c, w / (double)count * 1e6);
}

static void rss(const char *when)
{
	char line[256];
	FILE *status = loud ? fopen("/proc/self/status", "re") : NULL;

	while (status && fgets(line, sizeof(line), status))
		if (strncmp(line, "VmRSS", 5) == 0 || strncmp(line, "RssAnon", 7) == 0)
			print_message("%-34s %s", when, line);
	if (status)
		fclose(status);
}

#define BATCH 1000

static void put_rows(struct fixture *f, uint32_t box, size_t rows, bool named)
{
	static struct cache_message m[BATCH];
	static char names[BATCH][96];
	size_t at, i;

	for (at = 0; at < rows; at += BATCH) {
		size_t n = rows - at < BATCH ? rows - at : BATCH;

		for (i = 0; i < n; i++) {
			imap_uid uid = (imap_uid)(at + i + 1);

			snprintf(names[i], sizeof(names[i]),
				 "20%02zu%02zu%02zu-%02zu%02zu.Erika_Mustermann.Re:_the_subject_%"
				 "zu.%u.eml",
				 10 + at / 100000 % 10, 1 + at / 10000 % 12, 1 + at / 1000 % 28,
				 i / 60 % 24, i % 60, i * 7919 % 5000, uid);
			m[i] = (struct cache_message){ .box = box,
						       .uid = uid,
						       .size = 7000 + i,
						       .internaldate = 1700000000 + (int64_t)at,
						       .flags = IMAP_FLAG_SEEN,
						       .modseq = 1000 + at,
						       .name = named ? slice_of(names[i])
								     : SLICE_NIL };
		}
		assert_int_equal(cache_message_put(f->cache, m, n), 0);
	}
}

static int count_one(void *user, const struct cache_message *message)
{
	*(imap_uid *)user = message->uid;
	return 0;
}

static void rows(void **state)
{
	struct fixture *f = *state;
	struct cache_message_row row;
	struct cache_status status;
	struct imap_set set = { 0 };
	uint32_t uid_box, box, late_box;
	imap_uid before = 0, last = 1;
	size_t i, n = rows_wanted, look_ups = n < 100000 ? n : 100000;
	char name[CACHE_NAME_MAX];

	rss("before");
	fixture_mailbox(f, "uid", 1, &uid_box);
	fixture_mailbox(f, "readable", 1, &box);
	fixture_mailbox(f, "late", 1, &late_box);
	start();
	put_rows(f, uid_box, n, false);
	stop("put, names=uid", n);
	start();
	put_rows(f, box, n, true);
	stop("put, names=readable", n);
	start();
	imap_set_add_range(&set, 1, (imap_uid)n);
	assert_int_equal(cache_message_add_uids(f->cache, late_box, &set), 0);
	stop("add_uids", n);
	start();
	put_rows(f, late_box, n, false);
	stop("put over add_uids, names=uid", n);
	start();
	put_rows(f, box, n, true);
	stop("put again, names=readable", n);
	start();
	for (i = 0; i < look_ups; i++)
		assert_int_equal(
			cache_message_get(f->cache, box, (imap_uid)(i * 7919 % n) + 1, &row), 0);
	stop("get by uid, random", look_ups);
	start();
	for (i = 0; i < look_ups; i++)
		assert_int_equal(cache_message_get(f->cache, box, (imap_uid)i + 1, &row), 0);
	stop("get by uid, in order", look_ups);
	memcpy(name, row.m.name.ptr, row.m.name.len);
	start();
	for (i = 0; i < look_ups; i++)
		assert_int_equal(cache_message_by_name(f->cache, box,
						       (struct slice){ name, row.m.name.len },
						       &row),
				 0);
	stop("get by name, one", look_ups);
	start();
	while (last) {
		last = 0;
		assert_int_equal(
			cache_message_page(f->cache, box, before, 1000, false, count_one, &last),
			0);
		before = last;
	}
	stop("pages of 1000", n);
	start();
	assert_int_equal(cache_message_flags(f->cache, box, count_one, &last), 0);
	stop("flags", n);
	start();
	assert_int_equal(cache_message_uids(f->cache, box, true, &set), 0);
	stop("uids", n);
	imap_set_release(&set);
	cache_status_get(f->cache, &status);
	if (loud)
		print_message("index: %.1f MB\n", (double)status.index_bytes / 1e6);
	rss("after");
}

static void bodies(void **state)
{
	enum { LEN = 7000, PER_BATCH = 290 };
	static struct cache_body body[PER_BATCH];
	static char got[131072];
	struct fixture *f = *state;
	size_t n = loud ? 10000 : 600, at, i;
	uint32_t box;
	char *data = malloc((size_t)LEN * PER_BATCH), *big = malloc(CACHE_CHUNK_SIZE);

	fixture_mailbox(f, "INBOX", 1, &box);
	f->params.cache_size = UINT64_C(2) << 30;
	fixture_reopen(f);
	for (i = 0; i < PER_BATCH; i++)
		fixture_fill(data + i * LEN, LEN, 1, (imap_uid)i, 0);
	rss("before");
	start();
	for (at = 0; at < n; at += PER_BATCH) {
		size_t count = n - at < PER_BATCH ? n - at : PER_BATCH;

		for (i = 0; i < count; i++)
			body[i] = (struct cache_body){ 1, (imap_uid)(at + i + 1), 0, data + i * LEN,
						       LEN };
		assert_int_equal(cache_body_put(f->cache, body, count), 0);
	}
	stop("body put, 7 KB", n);
	start();
	for (i = 0; i < n; i++)
		assert_int_equal(
			cache_body_read(f->cache, 1, (imap_uid)i + 1, 0, 0, got, sizeof(got), NULL),
			LEN);
	stop("body read, 7 KB", n);
	start();
	for (i = 0; i < n; i++)
		assert_true(cache_body_has(f->cache, 1, (imap_uid)(i * 7919 % n) + 1, 0));
	stop("body has", n);
	fixture_fill(big, CACHE_CHUNK_SIZE, 2, 1, 0);
	start();
	for (i = 0; i < 64; i++) {
		struct cache_body one = { 2, 1, (uint32_t)i, big, CACHE_CHUNK_SIZE };

		assert_int_equal(cache_body_put(f->cache, &one, 1), 0);
	}
	stop("body put, 1 MiB", 64);
	start();
	for (i = 0; i < 64 * 8; i++)
		assert_int_equal(cache_body_read(f->cache, 2, 1, (uint32_t)i / 8, i % 8 * 131072,
						 got, 131072, NULL),
				 131072);
	stop("body read, windows of 128 KiB", 64 * 8);
	start();
	for (i = 0; i < 64 * 8; i++)
		assert_int_equal(
			cache_body_read(f->cache, 2, 1, (uint32_t)i % 64, 600000, got, 4096, NULL),
			4096);
	stop("body read, windows of 4 KiB", 64 * 8);
	rss("after");
	start();
	cache_close(&f->cache);
	stop("close", 1);
	start();
	fixture_open(f);
	stop("open", 1);
	free(data);
	free(big);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = { TEST(rows), TEST(bodies) };
	const char *wanted = getenv("IMAPFS_BENCH_ROWS");

	loud = wanted != NULL;
	if (loud)
		rows_wanted = strtoul(wanted, NULL, 10);
	if (rows_wanted < BATCH)
		rows_wanted = BATCH;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
