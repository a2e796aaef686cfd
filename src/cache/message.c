/*
 * Message rows, read: look-ups, pages of a listing, neighbours for read-ahead. Every query walks one of the two
 * orders the table has, (box, uid) and (box, name). Writing is in message_write.c.
 */
#include "cache/private.h"

#define COLUMNS                                                                                    \
	"SELECT box, uid, state, size, internaldate, flags, modseq, keywords, name, emailid, ino " \
	"FROM message "

/* Texts point into the statement. */
static int row_read(struct db_conn *conn, sqlite3_stmt *row, struct cache_message *ret_message)
{
	int64_t uid = sqlite3_column_int64(row, 1), size = sqlite3_column_int64(row, 3);
	int state = sqlite3_column_int(row, 2);
	struct cache_message m = {
		.box = (uint32_t)sqlite3_column_int64(row, 0),
		.uid = (imap_uid)uid,
		.known = state & 1,
		.exact = state & 2,
		.size = (uint64_t)size,
		.internaldate = sqlite3_column_int64(row, 4),
		.flags = (uint32_t)sqlite3_column_int64(row, 5),
		.modseq = (uint64_t)sqlite3_column_int64(row, 6),
		.keywords = db_text(row, 7),
		.name = db_text(row, 8),
		.emailid = db_text(row, 9),
		.ino = (uint64_t)sqlite3_column_int64(row, 10),
	};

	if (uid < 1 || uid > UINT32_MAX || size < 0 || m.name.len > CACHE_NAME_MAX ||
	    m.emailid.len > CACHE_NAME_MAX)
		return db_damaged(conn);
	*ret_message = m;
	return 0;
}

static void text_keep(struct cache_message_row *row, size_t *used, struct slice *text)
{
	if (text->len)
		memcpy(row->storage + *used, text->ptr, text->len);
	*text = (struct slice){ row->storage + *used, text->len };
	*used += text->len;
}

static int do_get(struct db_conn *conn, sqlite3_stmt *statement, struct cache_message_row *ret_row)
{
	struct cache_message m = { 0 };
	size_t used = 0, room;
	int r = db_step(conn, statement);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = row_read(conn, statement, &m);
	if (r < 0)
		return r;
	room = sizeof(ret_row->storage) - m.name.len - m.emailid.len;
	if (m.keywords.len > room) {
		/* Whole keywords only. */
		m.keywords.len = room;
		while (m.keywords.len && m.keywords.ptr[m.keywords.len] != ' ')
			m.keywords.len--;
	}
	text_keep(ret_row, &used, &m.name);
	text_keep(ret_row, &used, &m.emailid);
	text_keep(ret_row, &used, &m.keywords);
	ret_row->m = m;
	return 0;
}

int cache_message_get(struct cache *cache, uint32_t box, imap_uid uid,
		      struct cache_message_row *ret_row)
{
	struct db_conn *conn;
	sqlite3_stmt *statement;
	int r = db_read_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	statement = db_statement(conn, INDEX_MESSAGE_GET, COLUMNS "WHERE box = ?1 AND uid = ?2");
	if (statement) {
		db_bind_int(statement, 1, box);
		db_bind_int(statement, 2, uid);
	}
	return db_read_end(&cache->index, conn, do_get(conn, statement, ret_row));
}

int cache_message_by_name(struct cache *cache, uint32_t box, struct slice name,
			  struct cache_message_row *ret_row)
{
	struct db_conn *conn;
	sqlite3_stmt *statement;
	int r;

	if (!name.len || name.len > CACHE_NAME_MAX)
		return -ENOENT;
	r = db_read_begin(&cache->index, &conn);
	if (r < 0)
		return r;
	statement = db_statement(conn, INDEX_MESSAGE_BY_NAME,
				 COLUMNS
				 "INDEXED BY message_name WHERE box = ?1 AND name = ?2 LIMIT 1");
	if (statement) {
		db_bind_int(statement, 1, box);
		db_bind_text(statement, 2, name);
	}
	return db_read_end(&cache->index, conn, do_get(conn, statement, ret_row));
}

static int do_each(struct db_conn *conn, sqlite3_stmt *statement, cache_message_fn *fn, void *user)
{
	struct cache_message m;
	int r;

	while ((r = db_step(conn, statement)) > 0) {
		r = row_read(conn, statement, &m);
		if (r == 0)
			r = fn(user, &m);
		if (r != 0)
			return r;
	}
	return r;
}

int cache_message_page(struct cache *cache, uint32_t box, imap_uid before, size_t max,
		       bool with_unknown, cache_message_fn *fn, void *user)
{
	struct db_conn *conn;
	sqlite3_stmt *statement;
	int r = db_read_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	statement = db_statement(
		conn, INDEX_MESSAGE_PAGE,
		COLUMNS
		"WHERE box = ?1 AND uid < ?2 AND (state & 1 OR ?3) ORDER BY uid DESC LIMIT ?4");
	if (statement) {
		db_bind_int(statement, 1, box);
		db_bind_int(statement, 2, before ? before : INT64_MAX);
		db_bind_int(statement, 3, with_unknown);
		db_bind_int(statement, 4, db_int(max));
	}
	return db_read_end(&cache->index, conn, do_each(conn, statement, fn, user));
}

int cache_message_flags(struct cache *cache, uint32_t box, cache_message_fn *fn, void *user)
{
	struct db_conn *conn;
	sqlite3_stmt *statement;
	int r = db_read_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	statement = db_statement(conn, INDEX_MESSAGE_FLAGS, COLUMNS "WHERE box = ?1 ORDER BY uid");
	if (statement)
		db_bind_int(statement, 1, box);
	return db_read_end(&cache->index, conn, do_each(conn, statement, fn, user));
}

/* ---- UIDs ----------------------------------------------------------------------- */

static int do_uids(struct db_conn *conn, sqlite3_stmt *statement, size_t max, imap_uid *uids,
		   size_t *ret_count)
{
	size_t count = 0;
	int r = 0;

	while (count < max && (r = db_step(conn, statement)) > 0) {
		int64_t uid = sqlite3_column_int64(statement, 0);

		if (uid < 1 || uid > UINT32_MAX)
			return db_damaged(conn);
		uids[count++] = (imap_uid)uid;
	}
	if (r < 0)
		return r;
	*ret_count = count;
	return 0;
}

int cache_message_next_uids(struct cache *cache, uint32_t box, imap_uid from, bool ascending,
			    size_t max, imap_uid *ret_uids, size_t *ret_count)
{
	struct db_conn *conn;
	sqlite3_stmt *statement;
	int r = db_read_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	statement = ascending ? db_statement(conn, INDEX_MESSAGE_NEXT,
					     "SELECT uid FROM message WHERE box = ?1 AND uid > ?2 "
					     "ORDER BY uid LIMIT ?3")
			      : db_statement(conn, INDEX_MESSAGE_PREVIOUS,
					     "SELECT uid FROM message WHERE box = ?1 AND uid < ?2"
					     " ORDER BY uid DESC LIMIT ?3");
	if (statement) {
		db_bind_int(statement, 1, box);
		db_bind_int(statement, 2, from);
		db_bind_int(statement, 3, db_int(max));
	}
	return db_read_end(&cache->index, conn, do_uids(conn, statement, max, ret_uids, ret_count));
}

/* The name of `from` goes into `storage`: the statement that gave it ends before the next begins. */
static int do_name(struct db_conn *conn, uint32_t box, imap_uid from,
		   char storage[static CACHE_NAME_MAX], struct slice *ret_name)
{
	sqlite3_stmt *get = db_statement(conn, INDEX_MESSAGE_NAME,
					 "SELECT name FROM message WHERE box = ?1 AND uid = ?2");
	struct slice name;
	int r;

	if (get) {
		db_bind_int(get, 1, box);
		db_bind_int(get, 2, from);
	}
	r = db_step(conn, get);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	name = db_text(get, 0);
	if (name.len > CACHE_NAME_MAX)
		return db_damaged(conn);
	if (name.len)
		memcpy(storage, name.ptr, name.len);
	*ret_name = (struct slice){ storage, name.len };
	(void)sqlite3_reset(get);
	conn->active = NULL;
	return name.len ? 0 : -ENOENT;
}

static int do_next_by_name(struct db_conn *conn, uint32_t box, imap_uid from, size_t max,
			   imap_uid *ret_uids, size_t *ret_count)
{
	char storage[CACHE_NAME_MAX];
	struct slice name = SLICE_NIL;
	sqlite3_stmt *next;
	int r = do_name(conn, box, from, storage, &name);

	if (r < 0)
		return r;
	/* Should two have one name, the second follows the first. */
	next = db_statement(
		conn, INDEX_MESSAGE_NEXT_NAMES,
		"SELECT uid FROM message INDEXED BY message_name WHERE box = ?1 AND name >= ?2"
		" AND (name, uid) > (?2, ?3) ORDER BY name, uid LIMIT ?4");
	if (next) {
		db_bind_int(next, 1, box);
		db_bind_text(next, 2, name);
		db_bind_int(next, 3, from);
		db_bind_int(next, 4, db_int(max));
	}
	return do_uids(conn, next, max, ret_uids, ret_count);
}

int cache_message_next_by_name(struct cache *cache, uint32_t box, imap_uid from, size_t max,
			       imap_uid *ret_uids, size_t *ret_count)
{
	struct db_conn *conn;
	int r = db_read_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	return db_read_end(&cache->index, conn,
			   do_next_by_name(conn, box, from, max, ret_uids, ret_count));
}

int cache_message_count(struct cache *cache, uint32_t box, uint32_t *ret_messages)
{
	struct db_conn *conn;
	sqlite3_stmt *statement;
	int64_t rows;
	int r;

	if (!box)
		return -ENOENT;
	r = db_read_begin(&cache->index, &conn);
	if (r < 0)
		return r;
	statement = db_statement(
		conn, INDEX_MAILBOX_ROWS,
		"SELECT rows FROM mailbox INDEXED BY mailbox_box WHERE box = ?1 AND box <> 0");
	if (statement)
		db_bind_int(statement, 1, box);
	r = db_read_end(&cache->index, conn, db_number(conn, statement, &rows));
	if (r == 0)
		*ret_messages = rows < 0 ? 0 : (uint32_t)rows;
	return r;
}

int cache_message_count_unseen(struct cache *cache, uint32_t box, uint32_t *ret_unseen)
{
	struct db_conn *conn;
	sqlite3_stmt *statement;
	int64_t unseen;
	int r = db_read_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	statement = db_statement(conn, INDEX_MESSAGE_UNSEEN,
				 "SELECT count(*) FROM message WHERE box = ?1 AND state & 1"
				 " AND flags & ?2 = 0");
	if (statement) {
		db_bind_int(statement, 1, box);
		db_bind_int(statement, 2, IMAP_FLAG_SEEN);
	}
	r = db_read_end(&cache->index, conn, db_number(conn, statement, &unseen));
	if (r == 0)
		*ret_unseen = (uint32_t)unseen;
	return r;
}

static int do_set(struct db_conn *conn, sqlite3_stmt *statement, struct imap_set *set)
{
	int r;

	while ((r = db_step(conn, statement)) > 0) {
		int64_t uid = sqlite3_column_int64(statement, 0);

		if (uid < 1 || uid > UINT32_MAX)
			return db_damaged(conn);
		r = imap_set_add(set, (imap_uid)uid);
		if (r < 0)
			return r;
	}
	return r;
}

int cache_message_uids(struct cache *cache, uint32_t box, bool only_unknown, struct imap_set *set)
{
	struct imap_set found = { 0 };
	struct db_conn *conn;
	sqlite3_stmt *statement;
	int r = db_read_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	statement = db_statement(conn, INDEX_MESSAGE_UIDS,
				 "SELECT uid FROM message WHERE box = ?1 AND (NOT ?2 OR state & 1 "
				 "= 0) ORDER BY uid");
	if (statement) {
		db_bind_int(statement, 1, box);
		db_bind_int(statement, 2, only_unknown);
	}
	r = db_read_end(&cache->index, conn, do_set(conn, statement, &found));
	if (r < 0) {
		imap_set_release(&found);
		return r;
	}
	imap_set_release(set);
	*set = found;
	return 0;
}
