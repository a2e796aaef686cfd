/* Read-ahead's decisions: reads go in, what would be fetched comes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/walk.h"

/* A mailbox of the UIDs 10, 20, ... 10000 whose names are in the order of (uid * 7919) % 100003. */
static unsigned name_of(imap_uid uid)
{
	return uid * 7919u % 100003u;
}

static unsigned next_in_box(void *user, imap_uid from, imap_uid uid, unsigned candidates)
{
	unsigned between = 0, orders = 0;

	++*(unsigned *)user;
	if (uid < from && from - uid <= WALK_REACH * 10)
		orders |= WALK_DESCENDING;
	if (uid > from && uid - from <= WALK_REACH * 10)
		orders |= WALK_ASCENDING;
	for (imap_uid other = 10; other <= 10000; other += 10)
		between += name_of(other) > name_of(from) && name_of(other) < name_of(uid);
	if (name_of(uid) > name_of(from) && between < WALK_REACH)
		orders |= WALK_BY_NAME;
	return orders & candidates;
}

static enum walk_order misses(struct walk *walk, const imap_uid *uids, size_t count,
			      unsigned *asked)
{
	enum walk_order order = WALK_NONE;

	for (size_t i = 0; i < count; i++)
		order = walk_miss(walk, uids[i], uids[i] == 10 || uids[i] == 10000, next_in_box,
				  asked);
	return order;
}

static void test_orders(void **state)
{
	static const struct {
		const char *name;
		imap_uid reads[4];
		enum walk_order want;
	} cases[] = {
		{ "down", { 5000, 4990, 4980 }, WALK_DESCENDING },
		{ "down, some of it in the page cache", { 5000, 4900, 4850 }, WALK_DESCENDING },
		{ "up", { 5000, 5010, 5020 }, WALK_ASCENDING },
		{ "up, then back, then down", { 5000, 5010, 5000, 4990 }, WALK_NONE },
		{ "far apart", { 5000, 4000, 3000 }, WALK_NONE },
		{ "one", { 5000 }, WALK_NONE },
		{ "two in the middle are none yet", { 5000, 4990 }, WALK_NONE },
		{ "two from the top are", { 10000, 9990 }, WALK_DESCENDING },
		{ "two from the bottom are", { 10, 20 }, WALK_ASCENDING },
		{ "one from the top is not", { 10000 }, WALK_NONE },
		{ "parts of one message", { 5000, 5000, 5000, 5000 }, WALK_NONE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct walk walk = { .clock = 0 };
		unsigned asked = 0;
		size_t count = 0;

		while (count < 4 && cases[i].reads[count] != 0)
			count++;
		print_message("%s\n", cases[i].name);
		assert_int_equal(misses(&walk, cases[i].reads, count, &asked), cases[i].want);
	}
}

static int by_name(const void *a, const void *b)
{
	return (int)name_of(*(const imap_uid *)a) - (int)name_of(*(const imap_uid *)b);
}

static void test_names(void **state)
{
	imap_uid uids[1000];
	struct walk walk = { .clock = 0 };
	unsigned asked = 0;

	for (imap_uid i = 0; i < 1000; i++)
		uids[i] = 10 * (i + 1);
	qsort(uids, 1000, sizeof(*uids), by_name);
	assert_int_equal(misses(&walk, uids + 500, 5, &asked), WALK_BY_NAME);
}

/* Readers that take turns are told apart; a hit moves the one that walks. */
static void test_many(void **state)
{
	struct walk walk = { .clock = 0 };
	static const imap_uid turns[] = { 9000, 3000, 6000, 8990, 3010, 100, 8980 };
	unsigned asked = 0;

	assert_int_equal(misses(&walk, turns, 7, &asked), WALK_DESCENDING);
	assert_int_equal(misses(&walk, (imap_uid[]){ 3020 }, 1, &asked), WALK_ASCENDING);
	for (imap_uid uid = 3030; uid < 5000; uid += 10)
		walk_hit(&walk, uid);
	assert_int_equal(misses(&walk, (imap_uid[]){ 5010 }, 1, &asked), WALK_ASCENDING);
}

static void test_random_reads_start_nothing(void **state)
{
	struct walk walk = { .clock = 0 };
	unsigned seed = 1, asked = 0, started = 0;

	for (int i = 0; i < 10000; i++) {
		imap_uid uid;

		seed = seed * 1103515245u + 12345u;
		uid = 10 * (1 + (seed >> 16) % 1000);
		started += walk_miss(&walk, uid, false, next_in_box, &asked) != WALK_NONE;
	}
	assert_in_range(started, 0, 500); /* chance has it now and then */
}

/* ---- tracks -------------------------------------------------------------------------- */

#define MAX (16u << 20)

/* Asks for as much as the track allows; how many batches. `next` is the next UID (downwards). */
static unsigned issue_all(struct track *track, imap_uid *next, uint64_t size, imap_uid *ret_marker)
{
	unsigned batches = 0;
	size_t count;

	while ((count = track_batch(track)) > 0 && batches < 1000) {
		uint64_t bytes = 0;
		bool marker;

		batches++;
		for (size_t i = 0; i < count && bytes < 2 << 20 && track_room(track) > 0;
		     i++, bytes += size) {
			assert_int_equal(track_issue(track, *next, size, &marker), 0);
			assert_true(i > 0 || marker); /* each batch begins with one */
			if (marker && ret_marker != NULL && *ret_marker == 0)
				*ret_marker = *next;
			--*next;
		}
	}
	return batches;
}

static void test_track_does_not_run_away(void **state)
{
	struct track track = { .items = NULL };
	imap_uid next = 1000000, marker = 0;

	track_reset(&track, MAX);
	issue_all(&track, &next, 7000, &marker);
	assert_in_range(track.issued, TRACK_LIMIT_FIRST * 3 / 4, TRACK_LIMIT_FIRST + 7000);
	assert_int_equal(issue_all(&track, &next, 7000, NULL),
			 0); /* until the reader shows itself */
	assert_int_equal(marker, 1000000);
	track_release(&track);
}

static void test_track_follows(void **state)
{
	struct track track = { .items = NULL };
	imap_uid next = 1000000, reader = 1000000;
	uint64_t most = 0;

	track_reset(&track, MAX);
	while (reader > 900000) {
		bool found;

		issue_all(&track, &next, 7000, NULL);
		assert_true(track.issued - track.read <= MAX + 7000);
		if (track.issued - track.read > most)
			most = track.issued - track.read;
		reader -= 50; /* only some reads are seen */
		found = track_read(&track, reader);
		assert_true(found);
		assert_false(track_read(&track, reader)); /* the same place again says nothing */
		assert_false(track_read(&track, reader + 1));
	}
	assert_in_range(most, MAX / 2, MAX + 7000);
	assert_int_equal(track.read, (uint64_t)(1000000 - reader + 1) * 7000);
	assert_in_range(track.count, 0, MAX / 7000 + 1);
	track_release(&track);
}

static void test_track_grows_with_the_reader(void **state)
{
	struct track track = { .items = NULL };
	imap_uid next = 1000000;
	uint64_t limits[4];

	track_reset(&track, MAX);
	for (int i = 0; i < 4; i++) {
		issue_all(&track, &next, 7000, NULL);
		limits[i] = track.limit;
		assert_true(track_read(&track, next + 1)); /* all of it */
	}
	assert_int_equal(limits[0], TRACK_LIMIT_FIRST);
	assert_int_equal(limits[1], TRACK_LIMIT_FIRST * TRACK_GROWTH);
	assert_int_equal(limits[2], MAX);
	assert_int_equal(limits[3], MAX);
	track_reset(&track, 512 << 10); /* a small ring bounds it */
	assert_int_equal(track.limit, 512 << 10);
	assert_int_equal(track_room(&track), 512 << 10);
	track_release(&track);
}

static void test_track_markers(void **state)
{
	struct track track = { .items = NULL };
	unsigned markers = 0;
	bool marker;

	track_reset(&track, MAX);
	assert_in_range(track_batch(&track), 1, TRACK_BATCH_MAX);
	for (imap_uid uid = 1; uid <= 640; uid++) {
		assert_int_equal(track_issue(&track, uid, 100, &marker), 0);
		markers += marker;
	}
	assert_in_range(markers, 10, 11);
	track_release(&track);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_random_reads_start_nothing),
		cmocka_unit_test(test_track_does_not_run_away),
		cmocka_unit_test(test_track_follows),
		cmocka_unit_test(test_track_grows_with_the_reader),
		cmocka_unit_test(test_track_markers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
