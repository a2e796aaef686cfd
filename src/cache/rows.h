/*
 * Messages as a table: what a caller hands to cache_message_put() is read by SQLite out of the caller's memory, as
 * the table "rows" of the writing connection. One statement then writes a whole batch; binding and stepping through a
 * statement a row costs twice as much.
 */
#ifndef CACHE_ROWS_H
#define CACHE_ROWS_H

#include <sqlite3.h>

#include "cache/cache.h"

/* What the table shows while a statement runs; the columns are box, uid, size, internaldate, flags, modseq,
 * keywords, name, emailid (all but the first two NULL for a set). Set by who runs the statement. */
struct rows {
	const struct cache_message *messages;
	size_t count;
	const struct imap_set *set; /* instead of messages */
	uint32_t box;               /* of the set */
};

/* Makes the table known to a connection; `rows` lives as long as that. An SQLite result code. */
int rows_register(sqlite3 *sql, struct rows *rows);

#endif
