/* Files that are damaged or foreign. */
#include "cache_fixture.h"

#include <dirent.h>
#include <sqlite3.h>

static size_t count_aside(struct fixture *f, const char *prefix)
{
	DIR *dir = opendir(f->cache_dir);
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
			 !strstr(entry->d_name, "-wal");
	closedir(dir);
	return count;
}

/* ---- ways to spoil a file -------------------------------------------------------- */

static void spoil_header(int fd, off_t size)
{
	char garbage[200];

	memset(garbage, 0x5a, sizeof(garbage));
	assert_int_equal(pwrite(fd, garbage, sizeof(garbage), 0), sizeof(garbage));
}

static void spoil_half(int fd, off_t size)
{
	assert_int_equal(ftruncate(fd, size / 2), 0);
}

static void spoil_odd(int fd, off_t size)
{
	assert_int_equal(ftruncate(fd, size - 700), 0);
}

/* All but the first page, so that it opens. */
static void spoil_pages(int fd, off_t size)
{
	char page[4096];
	off_t at;

	memset(page, 0xa5, sizeof(page));
	for (at = 32768; at < size; at += (off_t)sizeof(page))
		assert_int_equal(pwrite(fd, page, sizeof(page), at), sizeof(page));
}

static void spoil_text(int fd, off_t size)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, "Dear diary\n", 11, 0), 11);
}

typedef void spoil_fn(int fd, off_t size);

static const struct spoil {
	const char *name;
	spoil_fn *fn;
} spoils[] = {
	{ "garbage in the header", spoil_header },
	{ "half the file", spoil_half },
	{ "the end is missing", spoil_odd },
	{ "garbage in all pages but the first", spoil_pages },
	{ "a text file", spoil_text },
};

static void spoil(const char *path, spoil_fn *fn)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	fn(fd, st.st_size);
	close(fd);
}

static void spoiled_before_the_start(void **state)
{
	static const char *const files[] = { "index.db", "bodies.db" };
	size_t i, k;

	for (k = 0; k < 2; k++) {
		for (i = 0; i < sizeof(spoils) / sizeof(*spoils); i++) {
			struct cache_status status;
			struct fixture *f;
			uint32_t box;
			void *own = NULL;

			print_message("%s: %s\n", files[k], spoils[i].name);
			assert_int_equal(fixture_setup(&own), 0);
			f = own;
			fixture_fill_box(f, &box);
			cache_close(&f->cache);
			spoil(fixture_path(f, f->cache_dir, files[k]), spoils[i].fn);
			fixture_open(f);
			fixture_works_again(f, box);
			assert_int_equal(
				count_aside(f, k ? "index.db.broken-" : "bodies.db.broken-"), 0);
			assert_int_equal(
				count_aside(f, k ? "bodies.db.broken-" : "index.db.broken-"), 1);
			cache_status_get(f->cache, &status);
			assert_int_equal(status.set_aside, 0); /* of this run */
			fixture_teardown(&own);
		}
	}
}

static void spoiled_in_the_middle_of_work(void **state)
{
	static const char *const files[] = { "index.db", "bodies.db" };
	size_t i, k;

	for (k = 0; k < 2; k++) {
		for (i = 0; i < sizeof(spoils) / sizeof(*spoils); i++) {
			struct cache_status status;
			struct fixture *f;
			uint64_t generation;
			uint32_t box, n;
			void *own = NULL;

			print_message("%s: %s\n", files[k], spoils[i].name);
			assert_int_equal(fixture_setup(&own), 0);
			f = own;
			fixture_fill_box(f, &box);
			generation = cache_generation(f->cache);
			assert_int_equal(cache_message_count(f->cache, box, &n), 0);
			spoil(fixture_path(f, f->cache_dir, files[k]), spoils[i].fn);
			for (n = 1; n <= FILLED; n++) {
				struct cache_message_row row;

				(void)cache_message_get(f->cache, box, n, &row);
				(void)fixture_body_right(f, box, n, 0, 3000);
			}
			cache_status_get(f->cache, &status);
			if (spoils[i].fn == spoil_pages || spoils[i].fn == spoil_half) {
				assert_true(status.set_aside > 0);
				assert_true((cache_generation(f->cache) != generation) == (k == 0));
			}
			fixture_works_again(f, box);
			fixture_teardown(&own);
		}
	}
}

/* One bit at a time, anywhere in bodies.db: bytes are right or not there. */
static void bodies_never_lie(void **state)
{
	struct fixture *f = *state;
	unsigned int seed = 4711, i;
	uint32_t box;

	fixture_fill_box(f, &box);
	for (i = 0; i < 60; i++) {
		const char *path = fixture_path(f, f->cache_dir, "bodies.db");
		struct stat st;
		off_t at;
		char byte;
		imap_uid uid;
		int fd;

		cache_close(&f->cache);
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(fstat(fd, &st), 0);
		seed = seed * 1103515245u + 12345u;
		at = (off_t)(seed % (unsigned int)st.st_size);
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= (char)(1 << (seed >> 16) % 8);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
		fixture_open(f);
		for (uid = 1; uid <= FILLED; uid++)
			(void)fixture_body_right(f, box, uid, 0, 3000);
		assert_int_equal(fixture_put_body(f, box, 1 + i, 0, 3000), 0);
		if (!cache_body_has(f->cache, box, FILLED, 0)) /* it was begun anew */
			for (uid = 1; uid <= FILLED; uid++)
				assert_int_equal(fixture_put_body(f, box, uid, 0, 3000), 0);
	}
}

static void set_version(const char *path, int version)
{
	char text[64];
	sqlite3 *sql;

	assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
	snprintf(text, sizeof(text), "PRAGMA user_version=%d", version);
	assert_int_equal(sqlite3_exec(sql, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sql);
}

static void unknown_versions_are_set_aside(void **state)
{
	static const int versions[] = { 0, 2, 99, -1 };
	struct fixture *f = *state;
	uint32_t box;
	size_t i;

	for (i = 0; i < 4; i++) {
		fixture_fill_box(f, &box);
		cache_close(&f->cache);
		set_version(fixture_path(f, f->cache_dir, "index.db"), versions[i]);
		set_version(fixture_path(f, f->cache_dir, "bodies.db"), versions[i]);
		fixture_open(f);
		assert_false(cache_body_has(f->cache, box, 1, 0));
		fixture_works_again(f, box);
		/* one is kept, however often it happens */
		assert_int_equal(count_aside(f, "index.db.broken-"), 1);
		assert_int_equal(count_aside(f, "bodies.db.broken-"), 1);
	}
}

static void old_wreckage_goes(void **state)
{
	struct fixture *f = *state;
	int fd = open(fixture_path(f, f->cache_dir, "index.db.broken-1000"),
		      O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	fd = open(fixture_path(f, f->cache_dir, "index.db.broken-mine"),
		  O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	fixture_reopen(f);
	assert_int_equal(count_aside(f, "index.db.broken-1000"), 0);
	assert_int_equal(count_aside(f, "index.db.broken-mine"), 1);
}

/* ---- state.db --------------------------------------------------------------------- */

static void a_damaged_state_refuses(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(spoils) / sizeof(*spoils); i++) {
		struct fixture *f;
		struct stat before, after;
		char *error = NULL, names[400][24];
		struct cache_mailbox many[400] = { 0 };
		void *own = NULL;
		uint32_t box;
		size_t k;

		print_message("state.db: %s\n", spoils[i].name);
		assert_int_equal(fixture_setup(&own), 0);
		f = own;
		for (k = 0; k < 400; k++) {
			snprintf(names[k], sizeof(names[k]), "a mailbox, number %zu", k);
			many[k].parent = 1;
			many[k].name = many[k].utf8 = slice_of(names[k]);
		}
		assert_int_equal(cache_mailbox_put_all(f->cache, many, 400), 0);
		fixture_mailbox(f, "INBOX", 1, &box);
		cache_close(&f->cache);
		if (spoils[i].fn == spoil_pages) {
			/* a page that SQLite would not look at by itself */
			int fd = open(fixture_path(f, f->state_dir, "state.db"),
				      O_RDWR | O_CLOEXEC);
			char page[4096];

			memset(page, 0xa5, sizeof(page));
			assert_int_equal(pwrite(fd, page, sizeof(page), 8 * 4096), sizeof(page));
			close(fd);
		} else {
			spoil(fixture_path(f, f->state_dir, "state.db"), spoils[i].fn);
		}
		assert_int_equal(stat(fixture_path(f, f->state_dir, "state.db"), &before), 0);
		assert_int_equal(cache_open(&f->params, &f->cache, &error), -EUCLEAN);
		assert_null(f->cache);
		assert_non_null(strstr(error, "state.db"));
		assert_null(strchr(error, '\n'));
		free(error);
		assert_int_equal(stat(fixture_path(f, f->state_dir, "state.db"), &after), 0);
		assert_int_equal(after.st_ino, before.st_ino);
		assert_int_equal(after.st_size, before.st_size);
		/* moved away, it goes on; the old numbers must not mean anything any more */
		assert_int_equal(unlink(fixture_path(f, f->state_dir, "state.db")), 0);
		fixture_open(f);
		fixture_mailbox(f, "INBOX", 1, &box);
		fixture_teardown(&own);
	}
}

static void another_state_disowns_the_cache(void **state)
{
	struct fixture *f = *state;
	uint32_t box, other;

	fixture_fill_box(f, &box);
	cache_close(&f->cache);
	unlink(fixture_path(f, f->state_dir, "state.db"));
	fixture_open(f);
	/* gets the numbers that INBOX had, and must not get its mail */
	fixture_mailbox(f, "Other", 100, &other);
	assert_int_equal(other, box);
	assert_false(cache_body_has(f->cache, other, 1, 0));
}

static void an_older_state_disowns_the_cache(void **state)
{
	static char copy[1 << 20];
	struct fixture *f = *state;
	uint32_t box, other;
	ssize_t len;
	int fd;

	cache_close(&f->cache);
	fd = open(fixture_path(f, f->state_dir, "state.db"), O_RDONLY | O_CLOEXEC);
	len = read(fd, copy, sizeof(copy));
	close(fd);
	assert_true(len > 0);
	fixture_open(f);
	fixture_fill_box(f, &box);
	cache_close(&f->cache);
	fd = open(fixture_path(f, f->state_dir, "state.db"), O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, copy, (size_t)len), len);
	close(fd);
	fixture_open(f);
	fixture_mailbox(f, "Other", 100, &other);
	assert_int_equal(other, box);
	assert_false(cache_body_has(f->cache, other, 1, 0));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spoiled_before_the_start),
		cmocka_unit_test(spoiled_in_the_middle_of_work),
		TEST(bodies_never_lie),
		TEST(unknown_versions_are_set_aside),
		TEST(old_wreckage_goes),
		cmocka_unit_test(a_damaged_state_refuses),
		TEST(another_state_disowns_the_cache),
		TEST(an_older_state_disowns_the_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
