/* Directories that are in use, gone or full, and writers that are killed. */
#include "cache_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void the_second_is_told_who_is_first(void **state)
{
	struct fixture *f = *state;
	struct cache *second = NULL;
	char *error = NULL, pid[32];

	snprintf(pid, sizeof(pid), "pid %d", (int)getpid());
	assert_int_equal(cache_open(&f->params, &second, &error), -EBUSY);
	assert_null(second);
	assert_non_null(strstr(error, pid));
	assert_non_null(strstr(error, f->cache_dir));
	free(error);
}

/* Another cache_dir does not help where the state is the same. */
static void the_state_has_one_user_too(void **state)
{
	struct fixture *f = *state;
	struct cache *second = NULL;
	int ready[2], done[2], status;
	char byte, *error = NULL;
	pid_t child;

	cache_close(&f->cache);
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(done), 0);
	child = fork();
	if (child == 0) {
		close(done[1]);
		fixture_open(f);
		_exit(write(ready[1], "x", 1) == 1 && read(done[0], &byte, 1) == 0 ? 0 : 1);
	}
	assert_true(child > 0);
	close(ready[1]);
	close(done[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	f->params.cache_dir = fixture_path(f, f->root, "elsewhere");
	assert_int_equal(cache_open(&f->params, &second, &error), -EBUSY);
	assert_non_null(strstr(error, "state.db"));
	free(error);
	close(done[1]);
	close(ready[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	f->params.cache_dir = f->cache_dir;
}

static void the_second_waits_for_the_first(void **state)
{
	struct fixture *f = *state;
	int ready[2], status;
	char byte;
	pid_t child;

	cache_close(&f->cache);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		char *error;

		if (cache_open(&f->params, &f->cache, &error) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		usleep(150000);
		_exit(0); /* as a crash would */
	}
	assert_true(child > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	f->params.lock_wait_ms = 20000;
	fixture_open(f);
	f->params.lock_wait_ms = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(ready[0]);
	close(ready[1]);
}

/* Killed in the middle of writing: what was committed is there, the rest is not, nothing is set aside. */
static void a_killed_writer_leaves_whole_commits(void **state)
{
	struct fixture *f = *state;
	struct cache_status cache_status;
	uint32_t box, n = 0, last = 0;
	int done[2], status;
	pid_t child;

	fixture_mailbox(f, "INBOX", 1, &box);
	cache_close(&f->cache);
	assert_int_equal(pipe(done), 0);
	child = fork();
	if (child == 0) {
		char *error;
		imap_uid uid;

		if (cache_open(&f->params, &f->cache, &error) < 0)
			_exit(1);
		for (uid = 1;; uid++) {
			struct cache_message m = { .box = box, .uid = uid, .size = 5 };

			if (cache_message_put(f->cache, &m, 1) < 0 ||
			    fixture_put_body(f, box, uid, 0, 2000) < 0 ||
			    write(done[1], &uid, sizeof(uid)) != sizeof(uid))
				_exit(1);
		}
	}
	close(done[1]);
	while (last < 300)
		assert_int_equal(read(done[0], &last, sizeof(last)), sizeof(last));
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	while (read(done[0], &n, sizeof(n)) == sizeof(n))
		last = n;
	close(done[0]);
	fixture_open(f);
	assert_int_equal(cache_message_count(f->cache, box, &n), 0);
	assert_in_range(n, last, last + 1);
	for (n = 1; n <= last; n++)
		assert_true(fixture_body_right(f, box, n, 0, 2000));
	cache_status_get(f->cache, &cache_status);
	assert_int_equal(cache_status.set_aside, 0);
}

static void the_directory_may_go_at_any_time(void **state)
{
	struct fixture *f = *state;
	struct cache_message_row row;
	uint32_t box, other;

	fixture_fill_box(f, &box);
	nftw(f->cache_dir, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(cache_message_get(f->cache, box, 5, &row), 0);
	fixture_mailbox(f, "Other", 1, &other);
	fixture_add(f, other, 1, 5000);
	assert_int_equal(fixture_put_body(f, other, 1, 0, 500000), 0);
	assert_true(fixture_body_right(f, other, 1, 0, 500000));
	fixture_reopen(f);
	assert_int_equal(cache_message_get(f->cache, box, 5, &row), -ENOENT);
	fixture_works_again(f, box);
}

static void a_full_disk_is_an_error_not_a_loss(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, old;
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	struct cache_status status;
	uint32_t box, n = 0;
	imap_uid uid;
	int r = 0;

	fixture_fill_box(f, &box);
	assert_int_equal(sigaction(SIGXFSZ, &ignore, &before), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 3 * MIB;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (uid = 1000; uid < 1100 && r == 0; uid++)
		r = fixture_put_body(f, box, uid, 0, 300000);
	assert_int_equal(r, -ENOSPC);
	assert_false(cache_body_has(f->cache, box, uid - 1, 0));
	assert_true(fixture_body_right(f, box, 1, 0, 3000));
	for (r = 0, uid = 1000; uid < 100000 && r == 0; uid += 1000) {
		struct imap_set set = { 0 };

		imap_set_add_range(&set, uid, uid + 999);
		r = cache_message_add_uids(f->cache, box, &set);
		imap_set_release(&set);
	}
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(cache_message_count(f->cache, box, &n), 0);
	assert_int_equal(n % 1000, FILLED % 1000);
	/* and then there is room again */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(sigaction(SIGXFSZ, &before, NULL), 0);
	assert_int_equal(fixture_put_body(f, box, 2000, 0, 300000), 0);
	assert_true(fixture_body_right(f, box, 2000, 0, 300000));
	fixture_add(f, box, 200000, 210000);
	cache_status_get(f->cache, &status);
	assert_int_equal(status.set_aside, 0);
	fixture_reopen(f);
	assert_true(fixture_body_right(f, box, 2000, 0, 300000));
}

static void nobody_else_may_read(void **state)
{
	static const char *const files[] = { "index.db", "bodies.db", "lock" };
	struct fixture *f = *state;
	struct stat st;
	size_t i;

	assert_int_equal(stat(f->cache_dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	for (i = 0; i < 3; i++) {
		assert_int_equal(stat(fixture_path(f, f->cache_dir, files[i]), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

static void a_place_that_cannot_be_is_explained(void **state)
{
	struct fixture *f = *state;
	struct cache *cache = NULL;
	char *error = NULL;

	f->params.cache_dir = "/dev/null/cache";
	assert_int_equal(cache_open(&f->params, &cache, &error), -ENOTDIR);
	assert_null(cache);
	assert_non_null(strstr(error, "/dev/null/cache"));
	free(error);
	f->params.cache_dir = f->cache_dir;
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_second_is_told_who_is_first),
		TEST(the_state_has_one_user_too),
		TEST(the_second_waits_for_the_first),
		TEST(a_killed_writer_leaves_whole_commits),
		TEST(the_directory_may_go_at_any_time),
		TEST(a_full_disk_is_an_error_not_a_loss),
		TEST(nobody_else_may_read),
		TEST(a_place_that_cannot_be_is_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
