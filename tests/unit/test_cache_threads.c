/* Readers and writers at once, and a database that is spoiled under them. For the TSan build above all. */
#include "cache_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "util/clock.h"

#define READERS 4
#define RUN_MS 1500

struct job {
	struct fixture *f;
	uint32_t box;
	unsigned int seed;
	atomic_bool *stop;
	unsigned long done;
	bool damage; /* errors are allowed */
	const char *wrong;
};

static int page_check(void *user, const struct cache_message *message)
{
	struct job *job = user;

	/* a row is from one commit, whatever the writer does */
	if (message->known && message->size != message->modseq)
		job->wrong = "a torn row";
	return 0;
}

static void *read_loop(void *arg)
{
	struct job *job = arg;
	struct cache *cache = job->f->cache;
	struct cache_message_row row;
	static _Thread_local char want[5000], got[5001];
	imap_uid uids[16];
	size_t count;

	while (!atomic_load(job->stop) && !job->wrong) {
		imap_uid uid;
		ssize_t n;
		int r;

		job->seed = job->seed * 1103515245u + 12345u;
		uid = 1 + (job->seed >> 8) % 400;
		r = cache_message_get(cache, job->box, uid, &row);
		if (r == 0)
			page_check(job, &row.m);
		else if (r != -ENOENT && !job->damage)
			job->wrong = "cache_message_get";
		n = cache_body_read(cache, job->box, uid, 0, 0, got, sizeof(got), NULL);
		fixture_fill(want, sizeof(want), job->box, uid, 0);
		if (n >= 0 && (n != sizeof(want) || memcmp(got, want, sizeof(want)) != 0))
			job->wrong = "cache_body_read";
		(void)cache_body_has(cache, job->box, uid, 0);
		if (job->seed >> 20 & 1)
			r = cache_message_page(cache, job->box, uid, 20, true, page_check, job);
		else
			r = cache_message_next_uids(cache, job->box, uid, true, 16, uids, &count);
		if (r != 0 && !job->damage)
			job->wrong = "a page";
		job->done++;
	}
	return NULL;
}

static void *write_loop(void *arg)
{
	struct job *job = arg;
	uint64_t version = 0;

	while (!atomic_load(job->stop) && !job->wrong) {
		struct cache_message m[20];
		struct imap_set set = { 0 };
		imap_uid first = 1 + (imap_uid)(version * 20 % 400), uid;
		int r;

		version++;
		for (uid = 0; uid < 20; uid++)
			m[uid] = (struct cache_message){ .box = job->box,
							 .uid = first + uid,
							 .size = version,
							 .modseq = version,
							 .name = SLICE_LIT("n.eml") };
		imap_set_add_range(&set, first, first + 4);
		r = cache_message_remove(job->f->cache, job->box, &set);
		if (r == 0)
			r = cache_message_put(job->f->cache, m, 20);
		imap_set_release(&set);
		if (r == 0)
			r = fixture_put_body(job->f, job->box, first + (imap_uid)(version % 20), 0,
					     5000);
		if (r < 0 && !job->damage)
			job->wrong = "the writer";
		job->done++;
	}
	return NULL;
}

/* One writer of rows and bodies is two: they have locks of their own. */
static void run_all(struct fixture *f, uint32_t box, bool damage,
		    void (*meanwhile)(struct fixture *f))
{
	pthread_t threads[READERS + 2];
	struct job jobs[READERS + 2] = { 0 };
	atomic_bool stop = false;
	int64_t end_ms = clock_ms() + RUN_MS;
	size_t i;

	for (i = 0; i < READERS + 2; i++) {
		jobs[i] = (struct job){ .f = f,
					.box = box,
					.seed = (unsigned int)i + 1,
					.stop = &stop,
					.damage = damage };
		assert_int_equal(pthread_create(&threads[i], NULL,
						i < READERS ? read_loop : write_loop, &jobs[i]),
				 0);
	}
	while (clock_ms() < end_ms) {
		struct cache_status status;

		if (meanwhile)
			meanwhile(f);
		cache_status_get(f->cache, &status);
		usleep(20000);
	}
	atomic_store(&stop, true);
	for (i = 0; i < READERS + 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (i = 0; i < READERS + 2; i++) {
		if (jobs[i].wrong)
			fail_msg("thread %zu: %s", i, jobs[i].wrong);
		assert_true(jobs[i].done > 0);
	}
}

static void readers_and_writers(void **state)
{
	struct fixture *f = *state;
	struct cache_status status;
	uint32_t box, n = 0;

	fixture_mailbox(f, "INBOX", 1, &box);
	run_all(f, box, false, NULL);
	assert_int_equal(cache_message_count(f->cache, box, &n), 0);
	assert_in_range(n, 20, 400);
	cache_status_get(f->cache, &status);
	assert_int_equal(status.set_aside, 0);
	assert_true(fixture_size(f, "index.db-wal") < (off_t)(24 * MIB));
	assert_true(fixture_size(f, "bodies.db-wal") < (off_t)(24 * MIB));
}

static void eviction_while_reading(void **state)
{
	struct fixture *f = *state;
	uint32_t box;
	imap_uid uid;

	f->params.cache_size = 1; /* the least there is */
	fixture_reopen(f);
	fixture_mailbox(f, "INBOX", 1, &box);
	for (uid = 1000; uid < 1010; uid++)
		assert_int_equal(fixture_put_body(f, box, uid, 0, 1048576), 0);
	run_all(f, box, false, NULL);
}

static void spoil_both(struct fixture *f)
{
	static const char *const files[] = { "index.db", "bodies.db" };
	char garbage[4096];
	size_t i;

	memset(garbage, 0x99, sizeof(garbage));
	for (i = 0; i < 2; i++) {
		int fd = open(fixture_path(f, f->cache_dir, files[i]), O_RDWR | O_CLOEXEC);
		struct stat st;
		off_t at;

		if (fd < 0)
			continue;
		if (fstat(fd, &st) == 0)
			for (at = 0; at < st.st_size; at += (off_t)sizeof(garbage))
				(void)!pwrite(fd, garbage, sizeof(garbage), at);
		close(fd);
	}
}

static void damage_while_reading_and_writing(void **state)
{
	struct fixture *f = *state;
	struct cache_message_row row;
	uint32_t box, again;

	fixture_mailbox(f, "INBOX", 1, &box);
	run_all(f, box, true, spoil_both);
	fixture_reopen(f);
	fixture_mailbox(f, "INBOX", 1, &again);
	assert_int_equal(again, box);
	fixture_add(f, box, 5000, 5010);
	assert_int_equal(cache_message_get(f->cache, box, 5005, &row), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(readers_and_writers),
		TEST(eviction_while_reading),
		TEST(damage_while_reading_and_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
