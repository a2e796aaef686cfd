/* util: clock, threads, files, log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/pool.h"
#include "util/slice.h"

/* ---- clock ------------------------------------------------------------------------ */

static void clock_waits_until_the_deadline(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond;
	int64_t start = clock_ms();

	assert_int_equal(clock_cond_init(&cond), 0);
	pthread_mutex_lock(&lock);
	assert_int_equal(clock_cond_wait(&cond, &lock, start - 1000), -ETIMEDOUT);
	assert_int_equal(clock_cond_wait(&cond, &lock, start + 30), -ETIMEDOUT);
	pthread_mutex_unlock(&lock);
	assert_in_range(clock_ms() - start, 30, 20000);
	assert_true(clock_wall_s() > 1700000000);
	pthread_cond_destroy(&cond);
}

/* ---- pool ------------------------------------------------------------------------- */

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;   /* guarded by lock */
	int waiting; /* guarded by lock */
	atomic_int done;
};

static void gate_job(void *arg)
{
	struct gate *gate = arg;

	pthread_mutex_lock(&gate->lock);
	gate->waiting++;
	pthread_cond_broadcast(&gate->changed);
	while (!gate->open)
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
	atomic_fetch_add(&gate->done, 1);
}

static void pool_is_bounded_and_drains(void **state)
{
	struct gate gate = { .lock = PTHREAD_MUTEX_INITIALIZER,
			     .changed = PTHREAD_COND_INITIALIZER };
	struct pool *pool = NULL;

	assert_int_equal(pool_new("test", 0, 1, &pool), -EINVAL);
	assert_int_equal(pool_new("a-very-long-name", 2, 3, &pool), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pool_submit(pool, gate_job, &gate), 0);
		pthread_mutex_lock(&gate.lock);
		while (gate.waiting <= i)
			pthread_cond_wait(&gate.changed, &gate.lock);
		pthread_mutex_unlock(&gate.lock);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(pool_submit(pool, gate_job, &gate), 0);
	assert_int_equal(pool_submit(pool, gate_job, &gate), -EAGAIN);
	pthread_mutex_lock(&gate.lock);
	gate.open = true;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
	pool_free(&pool);
	assert_null(pool);
	assert_int_equal(atomic_load(&gate.done), 5);
	pool_free(&pool);
}

/* ---- file ------------------------------------------------------------------------- */

static char directory[64];

static int directory_make(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/imapfs-test-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int directory_remove(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static void in_directory(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", directory, name);
}

static void file_makes_private_directories(void **state)
{
	char path[128];
	struct stat st;

	in_directory(path, sizeof(path), "a/b//c");
	assert_int_equal(file_mkdirs(path), 0);
	assert_int_equal(file_mkdirs(path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	in_directory(path, sizeof(path), "file");
	fclose(fopen(path, "w"));
	assert_int_equal(file_mkdirs(path), -ENOTDIR);
	in_directory(path, sizeof(path), "file/below");
	assert_int_equal(file_mkdirs(path), -ENOTDIR);
	assert_int_equal(file_mkdirs(""), -ENOENT);
}

static void file_reads_carefully(void **state)
{
	char path[128];
	struct buf buf;
	FILE *file;

	in_directory(path, sizeof(path), "secret");
	file = fopen(path, "w");
	fputs("0123456789", file);
	fclose(file);
	buf_init(&buf, 10);
	buf_append_str(&buf, "old");
	chmod(path, 0640);
	assert_int_equal(file_read(path, true, &buf), -EPERM);
	assert_true(slice_eqs(buf_slice(&buf), "old"));
	assert_int_equal(file_read(path, false, &buf), 0);
	chmod(path, 0600);
	assert_int_equal(file_read(path, true, &buf), 0);
	assert_true(slice_eqs(buf_slice(&buf), "0123456789"));
	assert_int_equal(file_read(directory, false, &buf), -EISDIR);
	buf_release(&buf);
	buf_init(&buf, 9);
	assert_int_equal(file_read(path, true, &buf), -EMSGSIZE);
	in_directory(path, sizeof(path), "missing");
	assert_int_equal(file_read(path, true, &buf), -ENOENT);
	buf_release(&buf);
}

static void file_follows_xdg(void **state)
{
	char *path = NULL;

	setenv("HOME", "/home/me", 1);
	setenv("IMAPFS_TEST_HOME", "/elsewhere", 1);
	assert_int_equal(file_xdg_dir("IMAPFS_TEST_HOME", ".cache", &path), 0);
	assert_string_equal(path, "/elsewhere/imapfs");
	free(path);
	setenv("IMAPFS_TEST_HOME", "relative", 1);
	assert_int_equal(file_xdg_dir("IMAPFS_TEST_HOME", ".cache", &path), 0);
	assert_string_equal(path, "/home/me/.cache/imapfs");
	free(path);
	unsetenv("IMAPFS_TEST_HOME");
	unsetenv("HOME");
	assert_int_equal(file_xdg_dir("IMAPFS_TEST_HOME", ".cache", &path), -ENOENT);
}

/* ---- log -------------------------------------------------------------------------- */

/* What log_line() writes to stderr, caught in a pipe. */
static void caught(enum log_level level, const char *text, char *ret_line, size_t size)
{
	int pipes[2], saved = dup(STDERR_FILENO);
	ssize_t len;

	assert_int_equal(pipe(pipes), 0);
	dup2(pipes[1], STDERR_FILENO);
	close(pipes[1]);
	errno = EXDEV;
	log_line(level, "%s", text);
	assert_int_equal(errno, EXDEV);
	dup2(saved, STDERR_FILENO);
	close(saved);
	len = read(pipes[0], ret_line, size - 1);
	close(pipes[0]);
	ret_line[len < 0 ? 0 : len] = '\0';
}

static void log_escapes(void **state)
{
	static char line[8192], longer[5000];

	log_open("prog", false, LOG_LEVEL_WARNING);
	caught(LOG_LEVEL_ERROR, "a\x1b]0;x\x07\nb", line, sizeof(line));
	assert_string_equal(line, "prog: a\\x1b]0;x\\x07\\x0ab\n");
	caught(LOG_LEVEL_WARNING, "\xc3\xa4 \xff \xc2\x9b \xe2\x80\xae", line, sizeof(line));
	assert_string_equal(line, "prog: warning: \xc3\xa4 \\xff \\u009b \\u202e\n");
	caught(LOG_LEVEL_INFO, "quiet", line, sizeof(line));
	assert_string_equal(line, "");
	memset(longer, 7, sizeof(longer) - 1);
	caught(LOG_LEVEL_ERROR, longer, line, sizeof(line));
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_in_range(strlen(line), 2000, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_waits_until_the_deadline),
		cmocka_unit_test(pool_is_bounded_and_drains),
		cmocka_unit_test(file_makes_private_directories),
		cmocka_unit_test(file_reads_carefully),
		cmocka_unit_test(file_follows_xdg),
		cmocka_unit_test(log_escapes),
	};

	return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
