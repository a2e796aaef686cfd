/*
 * Mailbox rows, read: the tree of directories and what is known of each mailbox. Writing is in
 * mailbox_write.c.
 */
#include "cache/private.h"

#define COLUMNS                                                                                    \
	"SELECT id, box, parent, wire, name, utf8, delimiter, attributes, uidvalidity, uidnext, "  \
	"messages, unseen,"                                                                        \
	" recent, highestmodseq, synced, mtime, listed FROM mailbox "

/* Texts point into the statement. */
static int row_read(struct db_conn *conn, sqlite3_stmt *row, struct cache_mailbox *ret_mailbox)
{
	int64_t id = sqlite3_column_int64(row, 0), box = sqlite3_column_int64(row, 1);
	struct cache_mailbox m = {
		.id = (uint32_t)id,
		.box = (uint32_t)box,
		.parent = (uint32_t)sqlite3_column_int64(row, 2),
		.wire = db_text(row, 3),
		.name = db_text(row, 4),
		.utf8 = db_text(row, 5),
		.delimiter = (char)sqlite3_column_int(row, 6),
		.attributes = (uint32_t)sqlite3_column_int64(row, 7),
		.uidvalidity = (uint32_t)sqlite3_column_int64(row, 8),
		.uidnext = (uint32_t)sqlite3_column_int64(row, 9),
		.messages = (uint32_t)sqlite3_column_int64(row, 10),
		.unseen = (uint32_t)sqlite3_column_int64(row, 11),
		.recent = (uint32_t)sqlite3_column_int64(row, 12),
		.highestmodseq = (uint64_t)sqlite3_column_int64(row, 13),
		.synced_s = sqlite3_column_int64(row, 14),
		.mtime_s = sqlite3_column_int64(row, 15),
		.listed = sqlite3_column_int(row, 16) != 0,
	};

	if (id < 1 || id > CACHE_NUMBER_LAST || box < 0 || box > CACHE_NUMBER_LAST ||
	    m.name.len > CACHE_NAME_MAX)
		return db_damaged(conn);
	*ret_mailbox = m;
	return 0;
}

/* Moves a text into the row's storage. */
static bool text_keep(struct cache_mailbox_row *row, size_t *used, struct slice from,
		      struct slice *ret_text)
{
	if (from.len > sizeof(row->storage) - *used)
		return false;
	if (from.len)
		memcpy(row->storage + *used, from.ptr, from.len);
	*ret_text = (struct slice){ row->storage + *used, from.len };
	*used += from.len;
	return true;
}

/* Runs a statement that has at most one row. */
static int do_get(struct db_conn *conn, sqlite3_stmt *statement, struct cache_mailbox_row *ret_row)
{
	struct cache_mailbox m = { 0 };
	size_t used = 0;
	int r = db_step(conn, statement);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = row_read(conn, statement, &m);
	if (r < 0)
		return r;
	ret_row->m = m;
	if (!text_keep(ret_row, &used, m.wire, &ret_row->m.wire) ||
	    !text_keep(ret_row, &used, m.name, &ret_row->m.name) ||
	    !text_keep(ret_row, &used, m.utf8, &ret_row->m.utf8))
		return db_damaged(conn); /* put does not let it in */
	return 0;
}

static int get_by_number(struct cache *cache, unsigned int slot, const char *text, uint32_t number,
			 struct cache_mailbox_row *ret_row)
{
	struct db_conn *conn;
	sqlite3_stmt *statement;
	int r = db_read_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	statement = db_statement(conn, slot, text);
	if (statement)
		db_bind_int(statement, 1, number);
	return db_read_end(&cache->index, conn, do_get(conn, statement, ret_row));
}

int cache_mailbox_get(struct cache *cache, uint32_t id, struct cache_mailbox_row *ret_row)
{
	return get_by_number(cache, INDEX_MAILBOX_GET, COLUMNS "WHERE id = ?1", id, ret_row);
}

int cache_mailbox_by_box(struct cache *cache, uint32_t box, struct cache_mailbox_row *ret_row)
{
	if (!box)
		return -ENOENT;
	return get_by_number(cache, INDEX_MAILBOX_BY_BOX,
			     COLUMNS "INDEXED BY mailbox_box WHERE box = ?1 AND box <> 0", box,
			     ret_row);
}

int cache_mailbox_by_name(struct cache *cache, uint32_t parent, struct slice name,
			  struct cache_mailbox_row *ret_row)
{
	struct db_conn *conn;
	sqlite3_stmt *statement;
	int r;

	if (!name.len || name.len > CACHE_NAME_MAX)
		return -ENOENT;
	r = db_read_begin(&cache->index, &conn);
	if (r < 0)
		return r;
	statement = db_statement(conn, INDEX_MAILBOX_BY_NAME,
				 COLUMNS
				 "INDEXED BY mailbox_name WHERE parent = ?1 AND name = ?2 LIMIT 1");
	if (statement) {
		db_bind_int(statement, 1, parent);
		db_bind_text(statement, 2, name);
	}
	return db_read_end(&cache->index, conn, do_get(conn, statement, ret_row));
}

int cache_mailbox_by_wire(struct cache *cache, struct slice wire, struct cache_mailbox_row *ret_row)
{
	struct db_conn *conn;
	sqlite3_stmt *statement;
	int r;

	if (!wire.len || wire.len > sizeof(ret_row->storage))
		return -ENOENT;
	r = db_read_begin(&cache->index, &conn);
	if (r < 0)
		return r;
	statement = db_statement(conn, INDEX_MAILBOX_BY_WIRE,
				 COLUMNS "INDEXED BY mailbox_wire WHERE wire = ?1 LIMIT 1");
	if (statement)
		db_bind_text(statement, 1, wire);
	return db_read_end(&cache->index, conn, do_get(conn, statement, ret_row));
}

static int do_each(struct db_conn *conn, sqlite3_stmt *statement, cache_mailbox_fn *fn, void *user)
{
	struct cache_mailbox m;
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

int cache_mailbox_children(struct cache *cache, uint32_t parent, uint32_t after, size_t max,
			   cache_mailbox_fn *fn, void *user)
{
	struct db_conn *conn;
	sqlite3_stmt *statement;
	int r = db_read_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	statement = db_statement(
		conn, INDEX_MAILBOX_CHILDREN,
		COLUMNS
		"INDEXED BY mailbox_parent WHERE parent = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
	if (statement) {
		db_bind_int(statement, 1, parent);
		db_bind_int(statement, 2, after);
		db_bind_int(statement, 3, db_int(max));
	}
	return db_read_end(&cache->index, conn, do_each(conn, statement, fn, user));
}

int cache_mailbox_all(struct cache *cache, cache_mailbox_fn *fn, void *user)
{
	struct db_conn *conn;
	int r = db_read_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	return db_read_end(&cache->index, conn,
			   do_each(conn,
				   db_statement(conn, INDEX_MAILBOX_ALL, COLUMNS "ORDER BY id"), fn,
				   user));
}
