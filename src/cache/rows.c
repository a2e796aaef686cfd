/* See rows.h. An eponymous virtual table: it exists without CREATE, and only on connections that know it. */
#include "cache/rows.h"

#include <stdlib.h>

#include "cache/db.h"

struct table {
	sqlite3_vtab base;
	const struct rows *rows;
};

struct cursor {
	sqlite3_vtab_cursor base;
	const struct rows *rows;
	size_t at;    /* a message, or a range of the set */
	imap_uid uid; /* inside the range */
};

static int table_connect(sqlite3 *sql, void *rows, int argc, const char *const *argv,
			 sqlite3_vtab **ret_table, char **ret_error)
{
	struct table *table;
	int rc = sqlite3_declare_vtab(sql, "CREATE TABLE x(box, uid, size, internaldate, flags, "
					   "modseq, keywords, name, emailid)");

	if (rc != SQLITE_OK)
		return rc;
	table = calloc(1, sizeof(*table));
	if (!table)
		return SQLITE_NOMEM;
	table->rows = rows;
	*ret_table = &table->base;
	return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *table)
{
	free(table);
	return SQLITE_OK;
}

static int table_plan(sqlite3_vtab *table, sqlite3_index_info *info)
{
	info->estimatedRows = 1000;
	info->estimatedCost = 1000;
	return SQLITE_OK;
}

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **ret_cursor)
{
	struct cursor *cursor = calloc(1, sizeof(*cursor));

	if (!cursor)
		return SQLITE_NOMEM;
	cursor->rows = ((struct table *)table)->rows;
	*ret_cursor = &cursor->base;
	return SQLITE_OK;
}

static int cursor_close(sqlite3_vtab_cursor *cursor)
{
	free(cursor);
	return SQLITE_OK;
}

static void cursor_enter_range(struct cursor *cursor)
{
	if (cursor->rows->set && cursor->at < cursor->rows->set->count)
		cursor->uid = cursor->rows->set->ranges[cursor->at].first;
}

static int cursor_rewind(sqlite3_vtab_cursor *base, int plan, const char *text, int argc,
			 sqlite3_value **argv)
{
	struct cursor *cursor = (struct cursor *)base;

	cursor->at = 0;
	cursor_enter_range(cursor);
	return SQLITE_OK;
}

static int cursor_next(sqlite3_vtab_cursor *base)
{
	struct cursor *cursor = (struct cursor *)base;
	const struct imap_set *set = cursor->rows->set;

	if (set && cursor->uid < set->ranges[cursor->at].last) {
		cursor->uid++;
		return SQLITE_OK;
	}
	cursor->at++;
	cursor_enter_range(cursor);
	return SQLITE_OK;
}

static int cursor_eof(sqlite3_vtab_cursor *base)
{
	const struct cursor *cursor = (const struct cursor *)base;
	const struct rows *rows = cursor->rows;

	return cursor->at >= (rows->set ? rows->set->count : rows->count);
}

/* Borrowed: the caller's memory outlives the statement. */
static void result_text(sqlite3_context *context, struct slice text)
{
	if (text.len)
		sqlite3_result_text(context, text.ptr, (int)text.len, SQLITE_STATIC);
}

static void result_message(sqlite3_context *context, const struct cache_message *message,
			   int column)
{
	switch (column) {
	case 0: sqlite3_result_int64(context, message->box); break;
	case 1: sqlite3_result_int64(context, message->uid); break;
	case 2: sqlite3_result_int64(context, db_int(message->size)); break;
	case 3: sqlite3_result_int64(context, message->internaldate); break;
	case 4: sqlite3_result_int64(context, message->flags); break;
	case 5: sqlite3_result_int64(context, db_int(message->modseq)); break;
	case 6: result_text(context, message->keywords); break;
	case 7: result_text(context, message->name); break;
	case 8: result_text(context, message->emailid); break;
	default: break;
	}
}

static int cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	const struct cursor *cursor = (const struct cursor *)base;

	if (!cursor->rows->set)
		result_message(context, &cursor->rows->messages[cursor->at], column);
	else if (column == 0)
		sqlite3_result_int64(context, cursor->rows->box);
	else if (column == 1)
		sqlite3_result_int64(context, cursor->uid);
	return SQLITE_OK;
}

static int cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_rowid)
{
	const struct cursor *cursor = (const struct cursor *)base;

	*ret_rowid = cursor->rows->set ? cursor->uid : (sqlite3_int64)cursor->at;
	return SQLITE_OK;
}

static const sqlite3_module module = {
	.xConnect = table_connect,
	.xDisconnect = table_disconnect,
	.xBestIndex = table_plan,
	.xOpen = cursor_open,
	.xClose = cursor_close,
	.xFilter = cursor_rewind,
	.xNext = cursor_next,
	.xEof = cursor_eof,
	.xColumn = cursor_column,
	.xRowid = cursor_rowid,
};

int rows_register(sqlite3 *sql, struct rows *rows)
{
	return sqlite3_create_module(sql, "rows", &module, rows);
}
