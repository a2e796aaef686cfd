/*
 * Connections, transactions, statements; see db.h. Opening and replacing a database is in
 * db_open.c.
 */
#include "cache/db.h"

#include <assert.h>
#include <stdlib.h>

#include "cache/db_open.h"
#include "util/clock.h"
#include "util/log.h"

#define COMPLAIN_EVERY_MS 60000

/* ---- what SQLite says -------------------------------------------------------- */

/* Besides damage proper: what the statements of this layer cannot cause on a sound database. */
static bool rc_is_damage(int rc)
{
	if (rc == SQLITE_IOERR_SHORT_READ || rc == SQLITE_IOERR_CORRUPTFS)
		return true;
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
	case SQLITE_ERROR: /* no such table */
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH: return true;
	default: return false;
	}
}

static int rc_errno(int rc, int system_errno)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return 0;
	case SQLITE_NOMEM: return -ENOMEM;
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_BUSY: return -EBUSY;
	case SQLITE_PERM:
	case SQLITE_READONLY: return -EACCES;
	case SQLITE_CANTOPEN: return system_errno > 0 ? -system_errno : -EIO;
	case SQLITE_IOERR:
		if (rc == SQLITE_IOERR_NOMEM)
			return -ENOMEM;
		/* A quota and a limit on file sizes are full disks too. */
		if (system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG)
			return -ENOSPC;
		return -EIO;
	default: return -EIO;
	}
}

/* SQLite forgets the system's errno where a commit fails; then it is still where it was left. */
static int system_error(struct db_conn *conn)
{
	int left = errno, told = sqlite3_system_errno(conn->sql);

	return told ? told : left;
}

int db_error(struct db_conn *conn, int rc)
{
	int number = system_error(conn);

	if (rc_is_damage(rc))
		conn->broken = true;
	return rc_errno(rc, number);
}

int db_damaged(struct db_conn *conn)
{
	conn->broken = true;
	return -EIO;
}

/* ---- statements -------------------------------------------------------------- */

sqlite3_stmt *db_statement(struct db_conn *conn, unsigned int slot, const char *text)
{
	sqlite3_stmt **statement = &conn->statements[slot];
	int rc;

	assert(slot < DB_STATEMENTS_MAX);
	if (*statement)
		return *statement;
	rc = sqlite3_prepare_v3(conn->sql, text, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	if (rc != SQLITE_OK) {
		(void)db_error(conn, rc);
		*statement = NULL;
	}
	return *statement;
}

int db_step(struct db_conn *conn, sqlite3_stmt *statement)
{
	int rc, r;

	if (!statement) {
		rc = sqlite3_errcode(conn->sql);
		r = rc_errno(rc, system_error(conn));
		return r < 0 ? r : -EIO;
	}
	errno = 0;
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW) {
		conn->active = statement;
		return 1;
	}
	r = rc == SQLITE_DONE ? 0 : db_error(conn, rc);
	(void)sqlite3_reset(statement);
	conn->active = NULL;
	return r;
}

int db_run(struct db_conn *conn, sqlite3_stmt *statement)
{
	int r = db_step(conn, statement);

	if (r > 0) {
		(void)sqlite3_reset(statement);
		conn->active = NULL;
		r = 0;
	}
	return r;
}

int db_number(struct db_conn *conn, sqlite3_stmt *statement, int64_t *ret_number)
{
	int r = db_step(conn, statement);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret_number = sqlite3_column_int64(statement, 0);
	(void)sqlite3_reset(statement);
	conn->active = NULL;
	return 0;
}

static void conn_reset(struct db_conn *conn)
{
	if (conn->active)
		(void)sqlite3_reset(conn->active);
	conn->active = NULL;
}

/* ---- complaints -------------------------------------------------------------- */

/* A full disk or a bad one would otherwise write a line for every message. */
static void db_complain(struct db *db, struct db_conn *conn)
{
	int64_t now_ms = clock_ms(), last_ms = atomic_load(&db->log_ms);

	if (now_ms - last_ms < COMPLAIN_EVERY_MS && last_ms)
		return;
	if (atomic_compare_exchange_strong(&db->log_ms, &last_ms, now_ms))
		log_warning("%s: %s", db->path, sqlite3_errmsg(conn->sql));
}

static bool result_is_trouble(int result)
{
	return result == -EIO || result == -ENOSPC || result == -ENOMEM || result == -EACCES ||
	       result == -EBUSY;
}

/* ---- reading ----------------------------------------------------------------- */

static struct db_conn *idle_take(struct db *db)
{
	struct db_conn *conn;

	pthread_mutex_lock(&db->pool_lock);
	conn = db->idle;
	if (conn) {
		db->idle = conn->next;
		db->idle_count--;
	}
	pthread_mutex_unlock(&db->pool_lock);
	return conn;
}

static bool idle_give(struct db *db, struct db_conn *conn)
{
	bool kept;

	pthread_mutex_lock(&db->pool_lock);
	kept = db->idle_count < DB_IDLE_MAX && conn->epoch == atomic_load(&db->epoch);
	if (kept) {
		conn->next = db->idle;
		db->idle = conn;
		db->idle_count++;
	}
	pthread_mutex_unlock(&db->pool_lock);
	return kept;
}

int db_read_begin(struct db *db, struct db_conn **ret_conn)
{
	uint64_t epoch = atomic_load(&db->epoch);
	struct db_conn *conn;
	int r;

	if (epoch & 1) {
		r = db_revive(db);
		if (r < 0)
			return r;
		epoch = atomic_load(&db->epoch);
	}
	while ((conn = idle_take(db))) {
		if (conn->epoch == epoch) {
			*ret_conn = conn;
			return 0;
		}
		db_conn_close(&conn);
	}
	r = db_conn_open(db, epoch, false, ret_conn);
	if (r == DB_DAMAGED) {
		(void)db_replace(db, epoch, "damage was met while opening it to read");
		r = -EIO;
	}
	return r;
}

int db_read_end(struct db *db, struct db_conn *conn, int result)
{
	bool broken = conn->broken;
	uint64_t epoch = conn->epoch;

	conn_reset(conn);
	if (!broken && result_is_trouble(result))
		db_complain(db, conn);
	if (broken || !idle_give(db, conn))
		db_conn_close(&conn);
	if (broken)
		(void)db_replace(db, epoch, "damage was met while reading");
	return result;
}

void db_idle_close(struct db *db)
{
	struct db_conn *conn;

	while ((conn = idle_take(db)))
		db_conn_close(&conn);
}

/* ---- writing ----------------------------------------------------------------- */

#define SLOT_BEGIN (DB_STATEMENTS_MAX - 1)
#define SLOT_COMMIT (DB_STATEMENTS_MAX - 2)

int db_write_begin(struct db *db, struct db_conn **ret_conn)
{
	struct db_conn *conn;
	int r;

	pthread_mutex_lock(&db->write_lock);
	r = db_revive_locked(db);
	if (r < 0) {
		pthread_mutex_unlock(&db->write_lock);
		return r;
	}
	conn = db->writer;
	r = db_run(conn, db_statement(conn, SLOT_BEGIN, "BEGIN IMMEDIATE"));
	if (r < 0)
		return db_write_end(db, conn, r);
	*ret_conn = conn;
	return 0;
}

/* Readers never wait for this: TRUNCATE waits for them, briefly, and only when the log ran away
 * because there was always one reading. */
static void write_checkpoint(struct db *db, struct db_conn *conn)
{
	int limit = db->wal_pages, mode = SQLITE_CHECKPOINT_PASSIVE, r;

	if (conn->frames < limit)
		return;
	if (conn->frames >= 4 * limit)
		mode = SQLITE_CHECKPOINT_TRUNCATE;
	errno = 0;
	r = db_error(conn, sqlite3_wal_checkpoint_v2(conn->sql, NULL, mode, NULL, NULL));
	if (r < 0 && r != -EBUSY && !conn->broken)
		db_complain(db, conn);
}

int db_write_end(struct db *db, struct db_conn *conn, int result)
{
	uint64_t epoch = conn->epoch;
	bool broken;

	conn_reset(conn);
	if (result == 0)
		result = db_run(conn, db_statement(conn, SLOT_COMMIT, "COMMIT"));
	if (result != 0 && !conn->broken && result_is_trouble(result))
		db_complain(db, conn);
	/* Some errors undo the transaction by themselves. */
	if (!sqlite3_get_autocommit(conn->sql))
		(void)db_error(conn, sqlite3_exec(conn->sql, "ROLLBACK", NULL, NULL, NULL));
	if (result == 0)
		write_checkpoint(db, conn);
	broken = conn->broken;
	pthread_mutex_unlock(&db->write_lock);
	if (broken)
		(void)db_replace(db, epoch, "damage was met while writing");
	return result;
}
