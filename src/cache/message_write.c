/*
 * Message rows, written. mailbox.rows is kept along, and tells too that the box still is one: what a sync brings
 * for a box that was given up meanwhile is refused (-ENOENT) instead of lying around for ever.
 */
#include "cache/private.h"
#include "cache/rows.h"

/* Of one box: what a server claims is no reason to fill the disk. */
#define UIDS_MAX (UINT64_C(16) << 20)

/* With the rows, in one transaction: a box that is gone undoes everything. */
static int rows_add(struct db_conn *conn, uint32_t box, int64_t rows)
{
	sqlite3_stmt *add = db_statement(conn, INDEX_MAILBOX_ADD_ROWS,
					 "UPDATE mailbox INDEXED BY mailbox_box SET rows = rows + "
					 "?2 WHERE box = ?1 AND box <> 0");
	int r;

	if (add) {
		db_bind_int(add, 1, box);
		db_bind_int(add, 2, rows);
	}
	r = db_run(conn, add);
	return r == 0 && sqlite3_changes(conn->sql) == 0 ? -ENOENT : r;
}

int message_remove_box(struct db_conn *conn, uint32_t box)
{
	sqlite3_stmt *remove = db_statement(conn, INDEX_MESSAGE_REMOVE_BOX,
					    "DELETE FROM message WHERE box = ?1");

	if (remove)
		db_bind_int(remove, 1, box);
	return db_run(conn, remove);
}

/* ---- UIDs ----------------------------------------------------------------------- */

static int do_add(struct db_conn *conn, uint32_t box, const struct imap_set *set)
{
	sqlite3_stmt *add = db_statement(
		conn, INDEX_MESSAGE_ADD,
		"INSERT INTO message(box, uid, state) SELECT box, uid, 0 FROM rows"
		" WHERE true ON CONFLICT DO NOTHING");
	int r;

	*conn->rows = (struct rows){ .box = box, .set = set };
	r = db_run(conn, add);
	return r < 0 ? r : rows_add(conn, box, sqlite3_changes(conn->sql));
}

int cache_message_add_uids(struct cache *cache, uint32_t box, const struct imap_set *set)
{
	struct db_conn *conn;
	int r;

	if (imap_set_size(set) > UIDS_MAX)
		return -E2BIG;
	r = db_write_begin(&cache->index, &conn);
	if (r < 0)
		return r;
	return db_write_end(&cache->index, conn, do_add(conn, box, set));
}

static int do_remove_range(struct db_conn *conn, uint32_t box, imap_uid first, imap_uid last)
{
	sqlite3_stmt *remove = db_statement(
		conn, INDEX_MESSAGE_REMOVE,
		"DELETE FROM message WHERE box = ?1 AND uid BETWEEN ?2 AND ?3");

	if (remove) {
		db_bind_int(remove, 1, box);
		db_bind_int(remove, 2, first);
		db_bind_int(remove, 3, last);
	}
	return db_run(conn, remove);
}

static int do_remove(struct db_conn *conn, uint32_t box, const struct imap_set *set)
{
	int64_t removed = 0;
	size_t i;
	int r = 0;

	for (i = 0; i < set->count && r == 0; i++) {
		r = do_remove_range(conn, box, set->ranges[i].first, set->ranges[i].last);
		if (r == 0)
			removed += sqlite3_changes(conn->sql);
	}
	return r < 0 ? r : rows_add(conn, box, -removed);
}

int cache_message_remove(struct cache *cache, uint32_t box, const struct imap_set *set)
{
	struct db_conn *conn;
	int r = db_write_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	return db_write_end(&cache->index, conn, do_remove(conn, box, set));
}

/* ---- attributes ------------------------------------------------------------------ */

#define KEYWORDS_MAX 65536

static bool message_fits(const struct cache_message *message)
{
	return message->box && message->uid && message->name.len <= CACHE_NAME_MAX &&
	       message->emailid.len <= CACHE_NAME_MAX && message->keywords.len <= KEYWORDS_MAX;
}

static int do_put_rows(struct db_conn *conn)
{
	return db_run(
		conn,
		db_statement(
			conn, INDEX_MESSAGE_PUT,
			"INSERT INTO message(box, uid, state, size, internaldate, flags, modseq,"
			" keywords, name, emailid) SELECT box, uid, 1, size, internaldate, flags,"
			" modseq, keywords, name, emailid FROM rows WHERE true"
			" ON CONFLICT(box, uid) DO UPDATE SET state = state | 1,"
			" size = iif(state & 2, size, excluded.size),"
			" internaldate = excluded.internaldate, flags = excluded.flags,"
			" modseq = excluded.modseq, keywords = excluded.keywords,"
			" name = excluded.name, emailid = excluded.emailid"));
}

/* How many there are at the beginning of one box and with rising or with falling UIDs, which is how they come: so none is
 * there twice, and those that are new can be counted. */
static size_t run_len(const struct cache_message *messages, size_t count)
{
	bool rising = count > 1 && messages[1].uid > messages[0].uid;
	size_t i;

	for (i = 1; i < count && messages[i].box == messages[0].box; i++)
		if (rising ? messages[i].uid <= messages[i - 1].uid
			   : messages[i].uid >= messages[i - 1].uid)
			break;
	return i;
}

/* How many of the rows are there already; mostly none is anywhere near. */
static int do_count_known(struct db_conn *conn, uint32_t box, imap_uid one_end, imap_uid other_end,
			  int64_t *ret_known)
{
	sqlite3_stmt *known = db_statement(
		conn, INDEX_MESSAGE_KNOWN,
		"SELECT iif(EXISTS(SELECT 1 FROM message WHERE box = ?1 AND uid BETWEEN ?2 AND ?3),"
		" (SELECT count(*) FROM rows r CROSS JOIN message m WHERE m.box = r.box AND m.uid "
		"= r.uid), 0)");

	if (known) {
		db_bind_int(known, 1, box);
		db_bind_int(known, 2, one_end < other_end ? one_end : other_end);
		db_bind_int(known, 3, one_end < other_end ? other_end : one_end);
	}
	return db_number(conn, known, ret_known);
}

static int do_put_run(struct db_conn *conn, const struct cache_message *messages, size_t count)
{
	uint32_t box = messages[0].box;
	int64_t known = 0;
	int r;

	*conn->rows = (struct rows){ .messages = messages, .count = count };
	r = do_count_known(conn, box, messages[0].uid, messages[count - 1].uid, &known);
	if (r == 0)
		r = do_put_rows(conn);
	return r < 0 ? r : rows_add(conn, box, (int64_t)count - known);
}

static int do_put(struct db_conn *conn, const struct cache_message *messages, size_t count)
{
	size_t run;
	int r = 0;

	for (; count && r == 0; messages += run, count -= run) {
		run = run_len(messages, count);
		r = do_put_run(conn, messages, run);
	}
	return r;
}

int cache_message_put(struct cache *cache, const struct cache_message *messages, size_t count)
{
	struct db_conn *conn;
	size_t i;
	int r;

	for (i = 0; i < count; i++)
		if (!message_fits(&messages[i]))
			return -EINVAL;
	if (!count)
		return 0;
	r = db_write_begin(&cache->index, &conn);
	if (r < 0)
		return r;
	return db_write_end(&cache->index, conn, do_put(conn, messages, count));
}

static int do_put_flags(struct db_conn *conn, const struct cache_message *messages, size_t count)
{
	sqlite3_stmt *put = db_statement(conn, INDEX_MESSAGE_PUT_FLAGS,
					 "UPDATE message SET flags = ?3, modseq = ?4, keywords = ?5"
					 " WHERE box = ?1 AND uid = ?2");
	size_t i;
	int r = 0;

	for (i = 0; i < count && r == 0; i++) {
		if (put) {
			db_bind_int(put, 1, messages[i].box);
			db_bind_int(put, 2, messages[i].uid);
			db_bind_int(put, 3, messages[i].flags);
			db_bind_int(put, 4, db_int(messages[i].modseq));
			db_bind_text(put, 5, messages[i].keywords);
		}
		r = db_run(conn, put);
	}
	return r;
}

int cache_message_put_flags(struct cache *cache, const struct cache_message *messages, size_t count)
{
	struct db_conn *conn;
	size_t i;
	int r;

	for (i = 0; i < count; i++)
		if (messages[i].keywords.len > KEYWORDS_MAX)
			return -EINVAL;
	if (!count)
		return 0;
	r = db_write_begin(&cache->index, &conn);
	if (r < 0)
		return r;
	return db_write_end(&cache->index, conn, do_put_flags(conn, messages, count));
}

static int do_set_size(struct db_conn *conn, uint32_t box, imap_uid uid, uint64_t size)
{
	sqlite3_stmt *set = db_statement(
		conn, INDEX_MESSAGE_SET_SIZE,
		"UPDATE message SET size = ?3, state = state | 2 WHERE box = ?1 AND uid = ?2");
	int r;

	if (set) {
		db_bind_int(set, 1, box);
		db_bind_int(set, 2, uid);
		db_bind_int(set, 3, db_int(size));
	}
	r = db_run(conn, set);
	return r == 0 && sqlite3_changes(conn->sql) == 0 ? -ENOENT : r;
}

int cache_message_set_size(struct cache *cache, uint32_t box, imap_uid uid, uint64_t size)
{
	struct db_conn *conn;
	int r = db_write_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	return db_write_end(&cache->index, conn, do_set_size(conn, box, uid, size));
}
