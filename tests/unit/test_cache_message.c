/* The message rows. */
#include "cache_fixture.h"

static struct cache_message make(uint32_t box, imap_uid uid, const char *name)
{
	return (struct cache_message){ .box = box,
				       .uid = uid,
				       .size = 1000 + uid,
				       .internaldate = 1700000000 + (int64_t)uid,
				       .flags = IMAP_FLAG_SEEN,
				       .keywords = SLICE_LIT("$Junk work"),
				       .modseq = 77,
				       .name = slice_of(name),
				       .emailid = SLICE_LIT("M123") };
}

static void put_gives_everything_back(void **state)
{
	struct fixture *f = *state;
	struct cache_message_row row;
	struct cache_message m;
	uint32_t box;

	fixture_mailbox(f, "INBOX", 1, &box);
	m = make(box, UINT32_MAX, "20240101-1200.A.B.4294967295.eml");
	m.internaldate = -86400;
	m.modseq = INT64_MAX;
	m.size = UINT64_C(5) << 30;
	assert_int_equal(cache_message_put(f->cache, &m, 1), 0);
	memset(&row, 0xff, sizeof(row));
	assert_int_equal(cache_message_get(f->cache, box, UINT32_MAX, &row), 0);
	assert_int_equal(row.m.box, box);
	assert_int_equal(row.m.uid, UINT32_MAX);
	assert_int_equal(row.m.ino, 0);
	assert_true(row.m.known);
	assert_false(row.m.exact);
	assert_true(row.m.size == UINT64_C(5) << 30);
	assert_true(row.m.internaldate == -86400);
	assert_int_equal(row.m.flags, IMAP_FLAG_SEEN);
	assert_true(slice_eq(row.m.keywords, m.keywords));
	assert_true(row.m.modseq == INT64_MAX);
	assert_true(slice_eq(row.m.name, m.name));
	assert_true(slice_eq(row.m.emailid, m.emailid));
	assert_int_equal(cache_message_by_name(f->cache, box, m.name, &row), 0);
	assert_int_equal(row.m.uid, UINT32_MAX);
	assert_int_equal(cache_message_get(f->cache, box, 1, &row), -ENOENT);
	assert_int_equal(cache_message_get(f->cache, box + 1, UINT32_MAX, &row), -ENOENT);
	assert_int_equal(cache_message_by_name(f->cache, box + 1, m.name, &row), -ENOENT);
	assert_int_equal(cache_message_by_name(f->cache, box, SLICE_LIT(""), &row), -ENOENT);
}

static void uids_come_first_attributes_later(void **state)
{
	struct fixture *f = *state;
	struct cache_message_row row;
	struct imap_set set = { 0 };
	struct cache_message m;
	uint32_t box, n = 0;

	fixture_mailbox(f, "INBOX", 1, &box);
	fixture_add(f, box, 1, 10);
	fixture_add(f, box, 5, 12); /* again, in part */
	assert_int_equal(cache_message_count(f->cache, box, &n), 0);
	assert_int_equal(n, 12);
	assert_int_equal(cache_message_get(f->cache, box, 7, &row), 0);
	assert_false(row.m.known);
	assert_int_equal(row.m.name.len, 0);

	m = make(box, 7, "seven.eml");
	assert_int_equal(cache_message_put(f->cache, &m, 1), 0);
	fixture_add(f, box, 7, 7); /* takes nothing back */
	assert_int_equal(cache_message_get(f->cache, box, 7, &row), 0);
	assert_true(row.m.known);
	assert_int_equal(row.m.size, 1007);
	assert_int_equal(cache_message_uids(f->cache, box, true, &set), 0);
	assert_int_equal(imap_set_size(&set), 11);
	assert_false(imap_set_contains(&set, 7));
	assert_int_equal(cache_message_uids(f->cache, box, false, &set), 0);
	assert_int_equal(imap_set_size(&set), 12);
	assert_int_equal(cache_message_uids(f->cache, box + 9, false, &set), 0);
	assert_int_equal(imap_set_size(&set), 0);
	assert_int_equal(cache_message_count(f->cache, box, &n), 0);
	assert_int_equal(n, 12);
	imap_set_release(&set);
}

static void replacing_changes_the_name_everywhere(void **state)
{
	struct fixture *f = *state;
	struct cache_message_row row;
	struct cache_message m;
	uint32_t box, n = 0;

	fixture_mailbox(f, "INBOX", 1, &box);
	m = make(box, 3, "old.eml");
	assert_int_equal(cache_message_put(f->cache, &m, 1), 0);
	m.name = SLICE_LIT("new.eml");
	m.keywords = SLICE_NIL;
	m.size = 5;
	assert_int_equal(cache_message_put(f->cache, &m, 1), 0);
	assert_int_equal(cache_message_by_name(f->cache, box, SLICE_LIT("old.eml"), &row), -ENOENT);
	assert_int_equal(cache_message_by_name(f->cache, box, SLICE_LIT("new.eml"), &row), 0);
	assert_int_equal(row.m.size, 5);
	assert_int_equal(row.m.keywords.len, 0);
	assert_int_equal(cache_message_count(f->cache, box, &n), 0);
	assert_int_equal(n, 1);
}

static void proven_sizes_stay(void **state)
{
	struct fixture *f = *state;
	struct cache_message_row row;
	struct cache_message m;
	uint32_t box;

	fixture_mailbox(f, "INBOX", 1, &box);
	m = make(box, 3, "a.eml");
	assert_int_equal(cache_message_put(f->cache, &m, 1), 0);
	assert_int_equal(cache_message_set_size(f->cache, box, 3, 999), 0);
	assert_int_equal(cache_message_put(f->cache, &m, 1), 0);
	assert_int_equal(cache_message_get(f->cache, box, 3, &row), 0);
	assert_true(row.m.exact);
	assert_true(row.m.known);
	assert_int_equal(row.m.size, 999);
	assert_int_equal(cache_message_set_size(f->cache, box, 4, 999), -ENOENT);
	fixture_add(f, box, 4, 4);
	assert_int_equal(cache_message_set_size(f->cache, box, 4, 998), 0);
	assert_int_equal(cache_message_get(f->cache, box, 4, &row), 0);
	assert_true(row.m.exact);
	assert_false(row.m.known);
	m.uid = 4;
	assert_int_equal(cache_message_put(f->cache, &m, 1), 0);
	assert_int_equal(cache_message_get(f->cache, box, 4, &row), 0);
	assert_int_equal(row.m.size, 998);
}

static void flags_change_alone(void **state)
{
	struct fixture *f = *state;
	struct cache_message_row row;
	struct cache_message m[2];
	uint32_t box, n = 0;

	fixture_mailbox(f, "INBOX", 1, &box);
	m[0] = make(box, 3, "a.eml");
	assert_int_equal(cache_message_put(f->cache, m, 1), 0);
	m[0] = (struct cache_message){ .box = box,
				       .uid = 3,
				       .flags = IMAP_FLAG_FLAGGED,
				       .modseq = 80,
				       .keywords = SLICE_LIT("x") };
	m[1] = (struct cache_message){ .box = box,
				       .uid = 99,
				       .flags = IMAP_FLAG_FLAGGED }; /* not there: stays so */
	assert_int_equal(cache_message_put_flags(f->cache, m, 2), 0);
	assert_int_equal(cache_message_get(f->cache, box, 3, &row), 0);
	assert_int_equal(row.m.flags, IMAP_FLAG_FLAGGED);
	assert_int_equal(row.m.modseq, 80);
	assert_true(slice_eqs(row.m.keywords, "x"));
	assert_int_equal(row.m.size, 1003);
	assert_true(slice_eqs(row.m.name, "a.eml"));
	assert_int_equal(cache_message_count(f->cache, box, &n), 0);
	assert_int_equal(n, 1);
}

struct seen {
	imap_uid uids[256];
	uint32_t flags;
	size_t count, stop_at;
};

static int seen_add(void *user, const struct cache_message *message)
{
	struct seen *seen = user;

	seen->flags |= message->flags;
	seen->uids[seen->count++] = message->uid;
	return seen->count == seen->stop_at ? -ECANCELED : 0;
}

static void unseen_are_counted_among_the_known(void **state)
{
	struct fixture *f = *state;
	struct cache_message m;
	uint32_t box, other, unseen = 99;

	fixture_mailbox(f, "INBOX", 1, &box);
	fixture_mailbox(f, "Other", 1, &other);
	assert_int_equal(cache_message_count_unseen(f->cache, box, &unseen), 0);
	assert_int_equal(unseen, 0);
	fixture_add(f, box, 1, 10); /* of these nobody knows */
	for (imap_uid uid = 1; uid <= 6; uid++) {
		m = make(box, uid, "name.eml");
		m.flags = uid <= 2 ? IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED : IMAP_FLAG_FLAGGED;
		assert_int_equal(cache_message_put(f->cache, &m, 1), 0);
	}
	m = make(other, 1, "name.eml");
	m.flags = 0;
	assert_int_equal(cache_message_put(f->cache, &m, 1), 0);
	assert_int_equal(cache_message_count_unseen(f->cache, box, &unseen), 0);
	assert_int_equal(unseen, 4);
	m = make(box, 6, "name.eml");
	m.flags = IMAP_FLAG_SEEN;
	assert_int_equal(cache_message_put_flags(f->cache, &m, 1), 0);
	assert_int_equal(cache_message_count_unseen(f->cache, box, &unseen), 0);
	assert_int_equal(unseen, 3);
}

static void pages_go_down_without_gaps(void **state)
{
	struct fixture *f = *state;
	struct cache_message m[50];
	struct seen all = { .count = 0 };
	char names[50][16];
	imap_uid before = 0;
	uint32_t box, other;
	size_t i;

	fixture_mailbox(f, "INBOX", 1, &box);
	fixture_mailbox(f, "Other", 1, &other);
	fixture_add(f, other, 1, 300);
	fixture_add(f, box, 1, 100);
	for (i = 0; i < 50; i++) {
		snprintf(names[i], sizeof(names[i]), "%zu.eml", 2 * i + 1);
		m[i] = make(box, (imap_uid)(2 * i + 1), names[i]);
	}
	assert_int_equal(cache_message_put(f->cache, m, 50), 0);
	for (;;) {
		size_t had = all.count;

		assert_int_equal(
			cache_message_page(f->cache, box, before, 7, false, seen_add, &all), 0);
		assert_true(all.count - had <= 7);
		if (all.count == had)
			break;
		before = all.uids[all.count - 1];
	}
	assert_int_equal(all.count, 50);
	for (i = 0; i < 50; i++)
		assert_int_equal(all.uids[i], 99 - 2 * i);
	all = (struct seen){ .count = 0 };
	assert_int_equal(cache_message_page(f->cache, box, 51, 200, true, seen_add, &all), 0);
	assert_int_equal(all.count, 50);
	assert_int_equal(all.uids[0], 50);
	assert_int_equal(all.uids[49], 1);
	all = (struct seen){ .stop_at = 4 };
	assert_int_equal(cache_message_page(f->cache, box, 0, 200, true, seen_add, &all),
			 -ECANCELED);
	assert_int_equal(all.count, 4);
	all = (struct seen){ .count = 0 };
	assert_int_equal(cache_message_flags(f->cache, box, seen_add, &all), 0);
	assert_int_equal(all.count, 100);
	assert_int_equal(all.uids[0], 1);
	assert_int_equal(all.uids[99], 100);
	assert_int_equal(all.flags, IMAP_FLAG_SEEN);
}

static void neighbours_by_uid(void **state)
{
	struct fixture *f = *state;
	imap_uid uids[10];
	size_t count = 77;
	uint32_t box;

	fixture_mailbox(f, "INBOX", 1, &box);
	fixture_add(f, box, 10, 12);
	fixture_add(f, box, 20, 30);
	assert_int_equal(cache_message_next_uids(f->cache, box, 11, true, 3, uids, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(uids[0], 12);
	assert_int_equal(uids[1], 20);
	assert_int_equal(uids[2], 21);
	assert_int_equal(cache_message_next_uids(f->cache, box, 21, false, 10, uids, &count), 0);
	assert_int_equal(count, 4);
	assert_int_equal(uids[0], 20);
	assert_int_equal(uids[3], 10);
	assert_int_equal(cache_message_next_uids(f->cache, box, 30, true, 10, uids, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(cache_message_next_uids(f->cache, box, 10, true, 0, uids, &count), 0);
	assert_int_equal(count, 0);
}

static void neighbours_by_name(void **state)
{
	struct fixture *f = *state;
	struct cache_message m[5];
	imap_uid uids[10];
	size_t count = 77;
	uint32_t box, other;

	fixture_mailbox(f, "INBOX", 1, &box);
	fixture_mailbox(f, "Other", 1, &other);
	m[0] = make(box, 1, "d");
	m[1] = make(box, 2, "b");
	m[2] = make(box, 3, "c");
	m[3] = make(box, 4, "c"); /* should not be, must not be lost */
	m[4] = make(other, 9, "bb");
	assert_int_equal(cache_message_put(f->cache, m, 5), 0);
	fixture_add(f, box, 5, 6); /* no names */
	assert_int_equal(cache_message_next_by_name(f->cache, box, 2, 10, uids, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(uids[0], 3);
	assert_int_equal(uids[1], 4);
	assert_int_equal(uids[2], 1);
	assert_int_equal(cache_message_next_by_name(f->cache, box, 3, 1, uids, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(uids[0], 4);
	assert_int_equal(cache_message_next_by_name(f->cache, box, 1, 10, uids, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(cache_message_next_by_name(f->cache, box, 5, 10, uids, &count), -ENOENT);
	assert_int_equal(cache_message_next_by_name(f->cache, box, 50, 10, uids, &count), -ENOENT);
}

static void removing_removes_and_counts(void **state)
{
	struct fixture *f = *state;
	struct imap_set set = { 0 };
	struct cache_message_row row;
	struct cache_message m;
	uint32_t box, n = 0;

	fixture_mailbox(f, "INBOX", 1, &box);
	fixture_add(f, box, 1, 100);
	m = make(box, 50, "fifty");
	assert_int_equal(cache_message_put(f->cache, &m, 1), 0);
	imap_set_add_range(&set, 1, 10);
	imap_set_add(&set, 50);
	imap_set_add_range(&set, 99, IMAP_SET_STAR);
	assert_int_equal(cache_message_remove(f->cache, box, &set), 0);
	assert_int_equal(cache_message_remove(f->cache, box, &set), 0);
	assert_int_equal(cache_message_count(f->cache, box, &n), 0);
	assert_int_equal(n, 100 - 13);
	assert_int_equal(cache_message_get(f->cache, box, 50, &row), -ENOENT);
	assert_int_equal(cache_message_by_name(f->cache, box, SLICE_LIT("fifty"), &row), -ENOENT);
	assert_int_equal(cache_message_get(f->cache, box, 11, &row), 0);
	imap_set_release(&set);
}

static void a_batch_is_all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct cache_message_row row;
	struct cache_message m[3];
	uint32_t box, n = 0;

	fixture_mailbox(f, "INBOX", 1, &box);
	m[0] = make(box, 1, "a");
	m[1] = make(box, 2, "b");
	m[2] = make(box + 1000, 3, "c"); /* no such box */
	assert_int_equal(cache_message_put(f->cache, m, 3), -ENOENT);
	assert_int_equal(cache_message_get(f->cache, box, 1, &row), -ENOENT);
	assert_int_equal(cache_message_count(f->cache, box, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(cache_message_put(f->cache, m, 2), 0);
	assert_int_equal(cache_message_put(f->cache, m, 0), 0);
	m[0].uid = 0;
	assert_int_equal(cache_message_put(f->cache, m, 1), -EINVAL);
}

static void attributes_over_uids(void **state)
{
	static const struct {
		const char *name;
		imap_uid first, last; /* put, every `step`th */
		imap_uid step;
		bool falling;
	} cases[] = {
		{ "all", 1, 20, 1, false },
		{ "all, falling", 1, 20, 1, true },
		{ "the middle", 5, 9, 1, false },
		{ "every second", 2, 20, 2, false },
		{ "more than there is", 15, 30, 1, false },
		{ "one", 7, 7, 1, false },
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cache_message m[32];
		struct cache_message_row row;
		uint32_t box, n = 0, extra = cases[i].last > 20 ? cases[i].last - 20 : 0;
		size_t count = 0, k;
		imap_uid uid;

		fixture_mailbox(f, cases[i].name, 1, &box);
		fixture_add(f, box, 1, 20);
		assert_int_equal(cache_message_set_size(f->cache, box, 18, 999), 0);
		for (uid = cases[i].first; uid <= cases[i].last; uid += cases[i].step)
			m[count++] = make(box, uid, "x");
		for (k = 0; cases[i].falling && k < count / 2; k++) {
			struct cache_message swap = m[k];

			m[k] = m[count - 1 - k];
			m[count - 1 - k] = swap;
		}
		assert_int_equal(cache_message_put(f->cache, m, count), 0);
		assert_int_equal(cache_message_count(f->cache, box, &n), 0);
		assert_int_equal(n, 20 + extra);
		for (uid = 1; uid <= 20; uid++) {
			bool put = uid >= cases[i].first && uid <= cases[i].last &&
				   (uid - cases[i].first) % cases[i].step == 0;

			if (cache_message_get(f->cache, box, uid, &row) != 0 || row.m.known != put)
				fail_msg("%s: %u", cases[i].name, uid);
			if (uid == 18)
				assert_int_equal(row.m.size, 999);
			else if (put)
				assert_int_equal(row.m.size, 1000 + uid);
		}
	}
}

/* A server may name one message twice, in any order. */
static void counting_survives_repeats(void **state)
{
	static const struct {
		const char *name;
		imap_uid uids[8];
		size_t count;
		uint32_t expect;
	} cases[] = {
		{ "rising", { 1, 2, 3 }, 3, 3 },
		{ "falling", { 9, 8, 7 }, 3, 6 },
		{ "one twice", { 20, 20 }, 2, 7 },
		{ "up and down", { 30, 31, 30, 31, 32, 30 }, 6, 10 },
		{ "some known", { 1, 40, 2, 41, 3, 42, 3 }, 7, 13 },
	};
	struct fixture *f = *state;
	uint32_t box, n = 0;
	size_t i, k;

	fixture_mailbox(f, "INBOX", 1, &box);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cache_message m[8];

		for (k = 0; k < cases[i].count; k++)
			m[k] = make(box, cases[i].uids[k], "x");
		assert_int_equal(cache_message_put(f->cache, m, cases[i].count), 0);
		assert_int_equal(cache_message_count(f->cache, box, &n), 0);
		if (n != cases[i].expect)
			fail_msg("%s: %u", cases[i].name, n);
	}
}

/* Sets of several ranges go through the same table. */
static void sets_of_many_ranges(void **state)
{
	struct fixture *f = *state;
	struct imap_set set = { 0 }, got = { 0 };
	uint32_t box;
	imap_uid uid;

	fixture_mailbox(f, "INBOX", 1, &box);
	assert_int_equal(cache_message_add_uids(f->cache, box, &set), 0);
	for (uid = 1; uid < 1000; uid += 3)
		imap_set_add_range(&set, uid, uid + uid % 2);
	imap_set_add_range(&set, UINT32_MAX - 1, UINT32_MAX);
	assert_int_equal(cache_message_add_uids(f->cache, box, &set), 0);
	assert_int_equal(cache_message_uids(f->cache, box, false, &got), 0);
	assert_int_equal(got.count, set.count);
	assert_memory_equal(got.ranges, set.ranges, set.count * sizeof(*set.ranges));
	imap_set_release(&set);
	imap_set_release(&got);
}

static void servers_cannot_fill_the_disk(void **state)
{
	struct fixture *f = *state;
	struct imap_set set = { 0 };
	uint32_t box;

	fixture_mailbox(f, "INBOX", 1, &box);
	imap_set_add_range(&set, 1, UINT32_MAX);
	assert_int_equal(cache_message_add_uids(f->cache, box, &set), -E2BIG);
	imap_set_release(&set);
}

static void long_keywords_are_cut_whole(void **state)
{
	static char text[8000];
	struct fixture *f = *state;
	struct cache_message_row row;
	struct cache_message m;
	uint32_t box;
	size_t i;

	for (i = 0; i < sizeof(text); i++)
		text[i] = i % 10 == 9 ? ' ' : 'k';
	fixture_mailbox(f, "INBOX", 1, &box);
	m = make(box, 1, "a");
	m.keywords = (struct slice){ text, sizeof(text) };
	assert_int_equal(cache_message_put(f->cache, &m, 1), 0);
	assert_int_equal(cache_message_get(f->cache, box, 1, &row), 0);
	assert_in_range(row.m.keywords.len, 4000, 4096);
	assert_int_equal(row.m.keywords.len % 10, 9);
	assert_true(slice_eqs(row.m.name, "a"));
	m.name = (struct slice){ text, 256 };
	assert_int_equal(cache_message_put(f->cache, &m, 1), -EINVAL);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(put_gives_everything_back),
		TEST(uids_come_first_attributes_later),
		TEST(replacing_changes_the_name_everywhere),
		TEST(proven_sizes_stay),
		TEST(flags_change_alone),
		TEST(unseen_are_counted_among_the_known),
		TEST(pages_go_down_without_gaps),
		TEST(neighbours_by_uid),
		TEST(neighbours_by_name),
		TEST(removing_removes_and_counts),
		TEST(a_batch_is_all_or_nothing),
		TEST(attributes_over_uids),
		TEST(counting_survives_repeats),
		TEST(sets_of_many_ranges),
		TEST(servers_cannot_fill_the_disk),
		TEST(long_keywords_are_cut_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
