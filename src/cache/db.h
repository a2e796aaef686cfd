/*
 * One SQLite database: its connections, transactions and prepared statements, and what happens
 * when it turns out damaged. What the tables mean is left to others (schema.c and the nouns).
 *
 * Reading takes a connection out of a pool, so there are as many as there are reads at one time,
 * not as many as threads. Writing takes the one writing connection under write_lock. Every
 * begin is followed by an end, which resets what was left open: no snapshot outlives a call.
 *
 * The epoch tells the files apart that had this path during one run: even while there is a
 * database, odd while there is none. A connection of another epoch is closed, not used.
 */
#ifndef CACHE_DB_H
#define CACHE_DB_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "util/slice.h"

#define DB_STATEMENTS_MAX 40
#define DB_IDLE_MAX 8 /* connections kept for the next reads */

struct db_spec {
	const char *file;    /* "index.db" */
	const char *schema;  /* the tables, for a file that is new */
	const char *birth;   /* pragmas for a file that is new */
	const char *pragmas; /* for every writer */
	int version;         /* user_version */
	int write_cache_kib, read_cache_kib;
	int wal_pages;     /* frames after which the log is copied into the database */
	int64_t wal_limit; /* bytes the log file keeps on the disk */
	bool replaceable;  /* damaged: set aside and begun anew; else: refused */
	bool rows;         /* the writer has the table of rows.h */
	bool check;        /* small enough to be checked whole at every start */
};

struct rows;

struct db_conn {
	sqlite3 *sql;
	struct db_conn *next; /* guarded by db.pool_lock */
	uint64_t epoch;
	sqlite3_stmt *statements[DB_STATEMENTS_MAX];
	sqlite3_stmt *active; /* has a row, perhaps */
	struct rows *rows;    /* spec->rows: the table that shows the caller's messages */
	int frames;           /* of the log after the last commit */
	bool broken;          /* an answer no sound database gives was seen */
};

struct db {
	const struct db_spec *spec;
	char *path;
	int64_t identity; /* of the state.db this belongs to; of state.db itself: its own */
	pthread_mutex_t write_lock;
	struct db_conn *writer; /* guarded by write_lock; NULL while none could be opened */
	int wal_pages;          /* guarded by write_lock: spec->wal_pages or less */
	int64_t retry_ms;       /* guarded by write_lock: not opened again before */
	pthread_mutex_t pool_lock;
	struct db_conn *idle; /* guarded by pool_lock; last used first */
	size_t idle_count;    /* guarded by pool_lock */
	atomic_uint_least64_t epoch;
	atomic_uint_least64_t set_aside;
	atomic_int_least64_t log_ms; /* the last complaint */
};

/* `identity`: as above; 0 for state.db, which has db->identity filled in. `ret_error` (owned) says
 * what is wrong with a database that is refused (-EUCLEAN) or cannot be opened. */
int db_open(struct db *db, const struct db_spec *spec, const char *dir, int64_t identity,
	    char **ret_error);
void db_close(struct db *db); /* a db that never was open (zeros) is fine */
/* Renames the database and begins it anew; when the present epoch is not `epoch` any more, nothing is done. */
int db_replace(struct db *db, uint64_t epoch, const char *why);

/* -EIO while there is no database. */
int db_read_begin(struct db *db, struct db_conn **ret_conn);
/* Gives `result` back, after dealing with damage that was met. */
int db_read_end(struct db *db, struct db_conn *conn, int result);
int db_write_begin(struct db *db, struct db_conn **ret_conn);
/* Commits when result is 0, else undoes; returns result or why the commit failed. */
int db_write_end(struct db *db, struct db_conn *conn, int result);

/* The prepared statement of this slot (a number of the caller's, always the same for one text), reset.
 * NULL: conn->broken may be set, and db_error() gives the errno. */
sqlite3_stmt *db_statement(struct db_conn *conn, unsigned int slot, const char *text);
/* 1: a row; 0: done, and reset; -errno: reset. A NULL statement is an error too. */
int db_step(struct db_conn *conn, sqlite3_stmt *statement);
/* Runs a statement without rows. */
int db_run(struct db_conn *conn, sqlite3_stmt *statement);
/* Runs a statement whose one row is one number; 0 rows: -ENOENT. */
int db_number(struct db_conn *conn, sqlite3_stmt *statement, int64_t *ret_number);
/* What SQLite said, as -errno; notes damage. */
int db_error(struct db_conn *conn, int rc);
/* The caller found content that cannot be: -EIO. */
int db_damaged(struct db_conn *conn);

/* The text is bound, not copied: it lives until the statement has run. Empty and absent are NULL. Neither can
 * fail: the slots are ours and the lengths are capped. */
static inline void db_bind_text(sqlite3_stmt *statement, int column, struct slice text)
{
	if (text.len)
		(void)sqlite3_bind_text(statement, column, text.ptr, (int)text.len, SQLITE_STATIC);
	else
		(void)sqlite3_bind_null(statement, column);
}

static inline void db_bind_int(sqlite3_stmt *statement, int column, int64_t value)
{
	(void)sqlite3_bind_int64(statement, column, value);
}

/* SQLite's integers have a sign. */
static inline int64_t db_int(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

/* Borrowed until the next step or reset. */
static inline struct slice db_text(sqlite3_stmt *statement, int column)
{
	const char *ptr = sqlite3_column_blob(statement, column);

	return (struct slice){ ptr ? ptr : "",
			       ptr ? (size_t)sqlite3_column_bytes(statement, column) : 0 };
}

#endif
