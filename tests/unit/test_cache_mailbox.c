/* The mailbox rows and the numbers behind them. */
#include "cache_fixture.h"

static struct cache_mailbox make(uint32_t parent, const char *name)
{
	return (struct cache_mailbox){ .parent = parent,
				       .wire = slice_of(name),
				       .name = slice_of(name),
				       .utf8 = slice_of(name),
				       .delimiter = '/',
				       .attributes = IMAP_ATTR_SENT };
}

static void put_gives_everything_back(void **state)
{
	struct fixture *f = *state;
	struct cache_mailbox m = { .parent = 1,
				   .wire = SLICE_LIT("Entw&APw-rfe"),
				   .name = SLICE_LIT("Entw\xc3\xbcrfe"),
				   .utf8 = SLICE_LIT("INBOX.Entw\xc3\xbcrfe"),
				   .delimiter = '.',
				   .attributes = IMAP_ATTR_DRAFTS | IMAP_ATTR_HASNOCHILDREN };
	struct cache_mailbox_row row;
	uint32_t id = 0;

	assert_int_equal(cache_mailbox_put(f->cache, &m, &id), 0);
	assert_in_range(id, 2, INT32_MAX - 1);
	memset(&row, 0xff, sizeof(row));
	assert_int_equal(cache_mailbox_get(f->cache, id, &row), 0);
	assert_int_equal(row.m.id, id);
	assert_int_equal(row.m.box, 0);
	assert_int_equal(row.m.parent, 1);
	assert_true(slice_eq(row.m.wire, m.wire));
	assert_true(slice_eq(row.m.name, m.name));
	assert_true(slice_eq(row.m.utf8, m.utf8));
	assert_int_equal(row.m.delimiter, '.');
	assert_int_equal(row.m.attributes, m.attributes);
	assert_int_equal(row.m.uidvalidity | row.m.uidnext | row.m.messages | row.m.unseen |
				 row.m.recent,
			 0);
	assert_int_equal(row.m.synced_s, 0);
	assert_false(row.m.listed);
	/* the texts are the row's own */
	assert_true(row.m.name.ptr >= row.storage &&
		    row.m.name.ptr < row.storage + sizeof(row.storage));

	m.attributes = 0;
	m.id = id;
	assert_int_equal(cache_mailbox_put(f->cache, &m, NULL), 0);
	assert_int_equal(cache_mailbox_get(f->cache, id, &row), 0);
	assert_int_equal(row.m.attributes, 0);
}

static void put_again_keeps_what_was_learnt(void **state)
{
	struct fixture *f = *state;
	struct cache_mailbox m = make(1, "INBOX"), values = { .uidnext = 8, .messages = 7 };
	struct cache_mailbox_row row;
	uint32_t box, id = fixture_mailbox(f, "INBOX", 77, &box), again;

	assert_int_equal(
		cache_mailbox_update(f->cache, id, CACHE_MB_UIDNEXT | CACHE_MB_MESSAGES, &values),
		0);
	fixture_add(f, box, 1, 7);
	assert_int_equal(cache_mailbox_put(f->cache, &m, &again), 0);
	assert_int_equal(again, id);
	assert_int_equal(cache_mailbox_get(f->cache, id, &row), 0);
	assert_int_equal(row.m.box, box);
	assert_int_equal(row.m.uidvalidity, 77);
	assert_int_equal(row.m.uidnext, 8);
	assert_int_equal(row.m.attributes, IMAP_ATTR_SENT);
}

static void lookups_find_only_what_is_there(void **state)
{
	struct fixture *f = *state;
	struct cache_mailbox_row row;
	uint32_t box, other, id = fixture_mailbox(f, "INBOX", 1, &box);
	struct cache_mailbox child = make(id, "INBOX");
	uint32_t child_id;

	child.wire = child.utf8 = SLICE_LIT("INBOX/INBOX");
	assert_int_equal(cache_mailbox_put(f->cache, &child, &child_id), 0);
	fixture_mailbox(f, "Sent", 1, &other);
	assert_int_not_equal(other, box);

	assert_int_equal(cache_mailbox_by_box(f->cache, box, &row), 0);
	assert_int_equal(row.m.id, id);
	assert_int_equal(cache_mailbox_by_name(f->cache, 1, SLICE_LIT("INBOX"), &row), 0);
	assert_int_equal(row.m.id, id);
	assert_int_equal(cache_mailbox_by_name(f->cache, id, SLICE_LIT("INBOX"), &row), 0);
	assert_int_equal(row.m.id, child_id);
	assert_int_equal(cache_mailbox_by_wire(f->cache, SLICE_LIT("INBOX/INBOX"), &row), 0);
	assert_int_equal(row.m.id, child_id);

	row.m.id = 4711;
	assert_int_equal(cache_mailbox_get(f->cache, 999999, &row), -ENOENT);
	assert_int_equal(cache_mailbox_by_box(f->cache, 0, &row), -ENOENT);
	assert_int_equal(cache_mailbox_by_box(f->cache, 999999, &row), -ENOENT);
	assert_int_equal(cache_mailbox_by_name(f->cache, 1, SLICE_LIT("inbox"), &row), -ENOENT);
	assert_int_equal(cache_mailbox_by_name(f->cache, 1, SLICE_LIT(""), &row), -ENOENT);
	assert_int_equal(cache_mailbox_by_wire(f->cache, SLICE_LIT(""), &row), -ENOENT);
	assert_int_equal(cache_mailbox_by_wire(f->cache, SLICE_LIT("Nope"), &row), -ENOENT);
	assert_int_equal(row.m.id, 4711); /* untouched */
}

struct seen {
	uint32_t ids[64];
	size_t count, stop_at;
};

static int seen_add(void *user, const struct cache_mailbox *mailbox)
{
	struct seen *seen = user;

	seen->ids[seen->count++] = mailbox->id;
	return seen->count == seen->stop_at ? 42 : 0;
}

static void children_come_in_pages(void **state)
{
	struct fixture *f = *state;
	struct cache_mailbox many[30];
	char names[30][8];
	struct seen seen = { .count = 0 };
	uint32_t after = 0;
	size_t i;

	for (i = 0; i < 30; i++) {
		snprintf(names[i], sizeof(names[i]), "m%zu", 29 - i);
		many[i] = make(i % 3 ? 1 : 9, names[i]);
	}
	assert_int_equal(cache_mailbox_put_all(f->cache, many, 30), 0);
	for (;;) {
		struct seen page = { .count = 0 };

		assert_int_equal(cache_mailbox_children(f->cache, 1, after, 7, seen_add, &page), 0);
		assert_true(page.count <= 7);
		if (!page.count)
			break;
		memcpy(seen.ids + seen.count, page.ids, page.count * sizeof(*page.ids));
		seen.count += page.count;
		after = page.ids[page.count - 1];
	}
	assert_int_equal(seen.count, 20);
	for (i = 1; i < seen.count; i++)
		assert_true(seen.ids[i] > seen.ids[i - 1]);

	seen = (struct seen){ .count = 0 };
	assert_int_equal(cache_mailbox_all(f->cache, seen_add, &seen), 0);
	assert_int_equal(seen.count, 30);
	seen = (struct seen){ .stop_at = 3 };
	assert_int_equal(cache_mailbox_all(f->cache, seen_add, &seen), 42);
	assert_int_equal(seen.count, 3);
	seen = (struct seen){ .count = 0 };
	assert_int_equal(cache_mailbox_children(f->cache, 1, 0, 0, seen_add, &seen), 0);
	assert_int_equal(seen.count, 0);
}

static void update_writes_only_which(void **state)
{
	static const struct {
		const char *name;
		uint32_t which;
	} cases[] = {
		{ "uidnext", CACHE_MB_UIDNEXT },
		{ "messages", CACHE_MB_MESSAGES },
		{ "unseen", CACHE_MB_UNSEEN },
		{ "recent", CACHE_MB_RECENT },
		{ "modseq", CACHE_MB_HIGHESTMODSEQ },
		{ "synced", CACHE_MB_SYNCED },
		{ "mtime", CACHE_MB_MTIME },
		{ "listed", CACHE_MB_LISTED },
		{ "none", 0 },
		{ "all", 255 },
	};
	struct fixture *f = *state;
	struct cache_mailbox one = { .uidnext = 1,
				     .messages = 1,
				     .unseen = 1,
				     .recent = 1,
				     .highestmodseq = 1,
				     .synced_s = 1,
				     .mtime_s = 1 };
	struct cache_mailbox two = { .uidnext = UINT32_MAX,
				     .messages = 2,
				     .unseen = 2,
				     .recent = 2,
				     .highestmodseq = INT64_MAX,
				     .synced_s = -2,
				     .mtime_s = 2,
				     .listed = true };
	struct cache_mailbox_row row;
	uint32_t box, id = fixture_mailbox(f, "INBOX", 1, &box);
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t w = cases[i].which;

		assert_int_equal(cache_mailbox_update(f->cache, id, 255, &one), 0);
		assert_int_equal(cache_mailbox_update(f->cache, id, w, &two), 0);
		assert_int_equal(cache_mailbox_get(f->cache, id, &row), 0);
		if (row.m.uidnext != (w & CACHE_MB_UIDNEXT ? UINT32_MAX : 1) ||
		    row.m.messages != (w & CACHE_MB_MESSAGES ? 2 : 1) ||
		    row.m.unseen != (w & CACHE_MB_UNSEEN ? 2 : 1) ||
		    row.m.recent != (w & CACHE_MB_RECENT ? 2 : 1) ||
		    row.m.highestmodseq != (w & CACHE_MB_HIGHESTMODSEQ ? INT64_MAX : 1) ||
		    row.m.synced_s != (w & CACHE_MB_SYNCED ? -2 : 1) ||
		    row.m.mtime_s != (w & CACHE_MB_MTIME ? 2 : 1) ||
		    row.m.listed != !!(w & CACHE_MB_LISTED))
			fail_msg("%s", cases[i].name);
	}
	assert_int_equal(cache_mailbox_update(f->cache, 999, 255, &two), -ENOENT);
}

static void remove_takes_its_messages_along(void **state)
{
	struct fixture *f = *state;
	struct cache_mailbox_row row;
	struct cache_message_row message;
	uint32_t box, other, id = fixture_mailbox(f, "A", 1, &box), n;

	fixture_mailbox(f, "B", 1, &other);
	fixture_add(f, box, 1, 10);
	fixture_add(f, other, 1, 10);
	assert_int_equal(cache_mailbox_remove(f->cache, id), 0);
	assert_int_equal(cache_mailbox_get(f->cache, id, &row), -ENOENT);
	assert_int_equal(cache_message_get(f->cache, box, 5, &message), -ENOENT);
	assert_int_equal(cache_message_get(f->cache, other, 5, &message), 0);
	assert_int_equal(cache_message_count(f->cache, box, &n), -ENOENT);
	assert_int_equal(cache_mailbox_remove(f->cache, id), -ENOENT);
}

static void uidvalidity_changes_and_changes_back(void **state)
{
	struct fixture *f = *state;
	struct cache_mailbox done = { .synced_s = 5, .highestmodseq = 9, .listed = true };
	struct cache_message_row message;
	struct cache_mailbox_row row;
	uint32_t first, second, third, id = fixture_mailbox(f, "INBOX", 100, &first), n = 99;

	fixture_add(f, first, 1, 5);
	assert_int_equal(cache_mailbox_update(
				 f->cache, id,
				 CACHE_MB_SYNCED | CACHE_MB_HIGHESTMODSEQ | CACHE_MB_LISTED, &done),
			 0);
	assert_int_equal(cache_mailbox_set_uidvalidity(f->cache, id, 100, &third), 0);
	assert_int_equal(third, first);
	assert_int_equal(cache_message_count(f->cache, first, &n), 0);
	assert_int_equal(n, 5);

	assert_int_equal(cache_mailbox_set_uidvalidity(f->cache, id, 200, &second), 0);
	assert_int_not_equal(second, first);
	assert_int_not_equal(second, id);
	assert_int_equal(cache_mailbox_get(f->cache, id, &row), 0);
	assert_int_equal(row.m.box, second);
	assert_int_equal(row.m.uidvalidity, 200);
	assert_false(row.m.listed);
	assert_int_equal(row.m.synced_s, 0);
	assert_int_equal(row.m.highestmodseq, 0);
	assert_int_equal(cache_message_get(f->cache, first, 1, &message), -ENOENT);
	assert_int_equal(cache_message_count(f->cache, second, &n), 0);
	assert_int_equal(n, 0);
	/* what a sync of the old box still brings is refused */
	assert_int_equal(
		cache_message_put(f->cache, &(struct cache_message){ .box = first, .uid = 9 }, 1),
		-ENOENT);

	assert_int_equal(cache_mailbox_set_uidvalidity(f->cache, id, 100, &third), 0);
	assert_int_equal(third, first);
	assert_int_equal(cache_message_count(f->cache, first, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(cache_mailbox_set_uidvalidity(f->cache, id, 0, &third), -EINVAL);
	assert_int_equal(cache_mailbox_set_uidvalidity(f->cache, 999, 5, &third), -ENOENT);
}

static void numbers_outlive_the_cache(void **state)
{
	static const char *const lost[] = { "index.db", "bodies.db", "index.db-wal",
					    "bodies.db-wal" };
	struct fixture *f = *state;
	struct cache_mailbox implied = { .parent = 1, .name = SLICE_LIT("shared") };
	uint32_t box, box2, other, id = fixture_mailbox(f, "INBOX", 100, &box), id2, shared,
				   shared2;
	size_t i;

	assert_int_equal(cache_mailbox_put(f->cache, &implied, &shared), 0);
	assert_int_equal(cache_mailbox_set_uidvalidity(f->cache, id, 200, &box2), 0);
	cache_close(&f->cache);
	for (i = 0; i < 4; i++)
		unlink(fixture_path(f, f->cache_dir, lost[i]));
	fixture_open(f);
	fixture_mailbox(f, "Another", 100, &other); /* in another order */
	assert_int_equal(cache_mailbox_put(f->cache, &implied, &shared2), 0);
	assert_int_equal(shared2, shared);
	id2 = fixture_mailbox(f, "INBOX", 200, &box2);
	assert_int_equal(id2, id);
	assert_int_equal(cache_mailbox_set_uidvalidity(f->cache, id, 100, &box2), 0);
	assert_int_equal(box2, box);
	assert_true(other != box && other != id && other != shared);
}

static void rows_outlive_the_run(void **state)
{
	struct fixture *f = *state;
	struct cache_mailbox_row row;
	uint32_t box, n = 0, id = fixture_mailbox(f, "INBOX", 100, &box);

	fixture_add(f, box, 1, 3);
	fixture_reopen(f);
	assert_int_equal(cache_mailbox_by_wire(f->cache, SLICE_LIT("INBOX"), &row), 0);
	assert_int_equal(row.m.id, id);
	assert_int_equal(row.m.box, box);
	assert_int_equal(cache_message_count(f->cache, box, &n), 0);
	assert_int_equal(n, 3);
}

static void names_are_capped(void **state)
{
	static char text[9000];
	struct fixture *f = *state;
	struct cache_mailbox m = make(1, "x");
	struct cache_mailbox_row row;
	uint32_t id = 7;

	memset(text, 'x', sizeof(text));
	m.name = (struct slice){ text, 256 };
	assert_int_equal(cache_mailbox_put(f->cache, &m, &id), -ENAMETOOLONG);
	m.name.len = 255;
	m.wire = (struct slice){ text, 8192 - 255 };
	assert_int_equal(cache_mailbox_put(f->cache, &m, &id), -ENAMETOOLONG);
	m.wire.len -= 1;
	assert_int_equal(id, 7);
	assert_int_equal(cache_mailbox_put(f->cache, &m, &id), 0);
	assert_int_equal(cache_mailbox_get(f->cache, id, &row), 0);
	assert_int_equal(row.m.wire.len, 8192 - 256);
	m = (struct cache_mailbox){ .parent = 1 };
	assert_int_equal(cache_mailbox_put(f->cache, &m, &id), -EINVAL);
	m.id = (uint32_t)INT32_MAX;
	assert_int_equal(cache_mailbox_put(f->cache, &m, &id), -ENAMETOOLONG);
}

static void state_belongs_to_one_account(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(cache_state_claim(f->cache, "me@mail.example:993"), 0);
	assert_int_equal(cache_state_claim(f->cache, "me@mail.example:993"), 0);
	assert_int_equal(cache_state_claim(f->cache, "you@mail.example:993"), -EEXIST);
	fixture_reopen(f);
	assert_int_equal(cache_state_claim(f->cache, "you@mail.example:993"), -EEXIST);
	assert_int_equal(cache_state_claim(f->cache, "me@mail.example:993"), 0);
	assert_int_equal(cache_state_claim(f->cache, ""), -EINVAL);
}

static void status_counts(void **state)
{
	struct fixture *f = *state;
	struct cache_status status;
	uint32_t box;

	fixture_mailbox(f, "A", 1, &box);
	fixture_mailbox(f, "B", 1, &box);
	assert_int_equal(fixture_put_body(f, box, 1, 0, 100), 0);
	assert_true(fixture_body_right(f, box, 1, 0, 100));
	assert_false(fixture_body_right(f, box, 2, 0, 100));
	cache_status_get(f->cache, &status);
	assert_int_equal(status.mailboxes, 2);
	assert_int_equal(status.body_hits, 1);
	assert_int_equal(status.body_misses, 1);
	assert_int_equal(status.bodies_limit, 64 * MIB);
	assert_true(status.index_bytes > 0 && status.bodies_bytes > 0);
	assert_int_equal(status.set_aside, 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(put_gives_everything_back),
		TEST(put_again_keeps_what_was_learnt),
		TEST(lookups_find_only_what_is_there),
		TEST(children_come_in_pages),
		TEST(update_writes_only_which),
		TEST(remove_takes_its_messages_along),
		TEST(uidvalidity_changes_and_changes_back),
		TEST(numbers_outlive_the_cache),
		TEST(rows_outlive_the_run),
		TEST(names_are_capped),
		TEST(state_belongs_to_one_account),
		TEST(status_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
