/*
 * Opening a database: new, known, damaged or foreign; and replacing it in the middle of work.
 *
 * The VFS is "unix-excl": no other process can open the files, and so neither a lock nor shared
 * memory in a file is needed for a read. That there is one daemon is settled before (lock.c).
 */
#include "cache/db_open.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/aside.h"
#include "cache/rows.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

#define VFS "unix-excl"
#define BUSY_MS 200
#define RETRY_MS 1000

/* ---- a connection ------------------------------------------------------------ */

static int frames_note(void *user, sqlite3 *sql, const char *schema, int frames)
{
	struct db_conn *conn = user;

	conn->frames = frames;
	return SQLITE_OK;
}

static int conn_exec(struct db_conn *conn, const char *text)
{
	return db_error(conn, sqlite3_exec(conn->sql, text, NULL, NULL, NULL));
}

static int conn_ask(struct db_conn *conn, const char *text, int64_t *ret_number)
{
	sqlite3_stmt *statement = NULL;
	int r = db_error(conn, sqlite3_prepare_v2(conn->sql, text, -1, &statement, NULL));

	if (r == 0)
		r = db_number(conn, statement, ret_number);
	(void)sqlite3_finalize(statement);
	conn->active = NULL;
	return r;
}

static int conn_setup(const struct db *db, struct db_conn *conn, bool writer)
{
	const struct db_spec *spec = db->spec;
	char pragmas[512];
	int64_t pages;
	int r;

	/* What a statement may allocate is capped like everything else. */
	(void)sqlite3_limit(conn->sql, SQLITE_LIMIT_LENGTH, 16 << 20);
	(void)sqlite3_busy_timeout(conn->sql, BUSY_MS);
	(void)sqlite3_db_config(conn->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(conn->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* The last to close would copy the log and remove it by its name: only the writer may. */
	(void)sqlite3_db_config(conn->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !writer, NULL);
	(void)snprintf(
		pragmas, sizeof(pragmas),
		"PRAGMA secure_delete=OFF; PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON;"
		"PRAGMA mmap_size=0; PRAGMA cache_size=-%d;%s",
		writer ? spec->write_cache_kib : spec->read_cache_kib,
		writer ? "" : "PRAGMA query_only=ON;");
	r = conn_exec(conn, pragmas);
	if (r < 0 || !writer)
		return r;
	r = conn_ask(conn, "PRAGMA page_count", &pages);
	if (r == 0 && pages == 0)
		r = conn_exec(conn, spec->birth);
	if (r == 0)
		r = conn_exec(conn, spec->pragmas);
	if (r < 0)
		return r;
	(void)snprintf(pragmas, sizeof(pragmas),
		       "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=%lld;",
		       (long long)spec->wal_limit);
	r = conn_exec(conn, pragmas);
	(void)sqlite3_wal_hook(conn->sql, frames_note, conn);
	if (r < 0 || !spec->rows)
		return r;
	conn->rows = calloc(1, sizeof(*conn->rows));
	return conn->rows ? db_error(conn, rows_register(conn->sql, conn->rows)) : -ENOMEM;
}

int db_conn_open(struct db *db, uint64_t epoch, bool writer, struct db_conn **ret_conn)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	struct db_conn *conn = calloc(1, sizeof(*conn));
	int r, rc;

	if (!conn)
		return -ENOMEM;
	conn->epoch = epoch;
	rc = sqlite3_open_v2(db->path, &conn->sql, flags | (writer ? SQLITE_OPEN_CREATE : 0), VFS);
	if (!conn->sql)
		r = -ENOMEM;
	else if (rc != SQLITE_OK)
		r = db_error(conn, rc);
	else
		r = conn_setup(db, conn, writer);
	if (r < 0) {
		bool broken = conn->broken;

		db_conn_close(&conn);
		return broken ? DB_DAMAGED : r;
	}
	*ret_conn = conn;
	return 0;
}

void db_conn_close(struct db_conn **conn)
{
	size_t i;

	if (!*conn)
		return;
	for (i = 0; i < DB_STATEMENTS_MAX; i++)
		(void)sqlite3_finalize((*conn)->statements[i]);
	(void)sqlite3_close((*conn)->sql);
	free((*conn)->rows);
	free(*conn);
	*conn = NULL;
}

/* ---- what is in the file ------------------------------------------------------- */

static int content_create(struct db *db, struct db_conn *conn)
{
	char text[256];
	int64_t identity = db->identity;
	int r;

	while (identity == 0)
		if (getrandom(&identity, sizeof(identity), 0) != (ssize_t)sizeof(identity))
			return -EIO;
	(void)snprintf(text, sizeof(text),
		       "INSERT INTO meta VALUES('state',%lld); PRAGMA user_version=%d; COMMIT",
		       (long long)identity, db->spec->version);
	r = conn_exec(conn, "BEGIN IMMEDIATE");
	if (r == 0)
		r = conn_exec(conn, db->spec->schema);
	if (r == 0)
		r = conn_exec(conn, text);
	if (r == 0)
		db->identity = identity;
	return r;
}

static int content_check(struct db *db, struct db_conn *conn, const char **ret_why)
{
	int64_t number;
	int r;

	if (db->spec->check) {
		r = conn_ask(conn,
			     "SELECT count(*) FROM pragma_quick_check WHERE quick_check <> 'ok'",
			     &number);
		*ret_why = "it is damaged";
		if (r < 0 || number > 0)
			return r < 0 ? r : DB_DAMAGED;
	}
	r = conn_ask(conn, "SELECT value FROM meta WHERE key='state'", &number);
	*ret_why = "its content is damaged";
	if (r < 0)
		return r == -ENOENT ? DB_DAMAGED : r;
	*ret_why = "it does not belong to the present state.db";
	if (db->identity && number != db->identity)
		return DB_DAMAGED;
	db->identity = number;
	return 0;
}

/* A file system that cut the file leaves a page that SQLite fills with zeros, and believes. With a log, whose pages
 * come first, a part of a page is nothing unusual. */
static bool file_is_cut(const struct db *db, struct db_conn *conn)
{
	struct stat st;
	int64_t page_size;
	char *log;
	bool has_log;

	if (asprintf(&log, "%s-wal", db->path) < 0)
		return false;
	has_log = stat(log, &st) == 0 && st.st_size > 0;
	free(log);
	return !has_log && stat(db->path, &st) == 0 &&
	       conn_ask(conn, "PRAGMA page_size", &page_size) == 0 && st.st_size % page_size != 0;
}

/* 0, -errno, or DB_DAMAGED with *ret_why. */
static int content_open(struct db *db, struct db_conn *conn, const char **ret_why)
{
	int64_t version = 0, schema = 0;
	int r;

	*ret_why = "it is damaged";
	r = conn_ask(conn, "PRAGMA user_version", &version);
	if (r == 0)
		r = conn_ask(conn, "PRAGMA schema_version", &schema);
	if (r < 0)
		return conn->broken ? DB_DAMAGED : r;
	if (file_is_cut(db, conn))
		return DB_DAMAGED;
	if (version == 0 && schema == 0) {
		r = content_create(db, conn);
	} else if (version != db->spec->version) {
		*ret_why = "another version of imapfs made it";
		return DB_DAMAGED;
	} else {
		r = content_check(db, conn, ret_why);
	}
	return conn->broken ? DB_DAMAGED : r;
}

static int writer_open(struct db *db, const char **ret_why)
{
	uint64_t epoch = (atomic_load(&db->epoch) + 1) & ~UINT64_C(1); /* what it will be */
	struct db_conn *conn = NULL;
	/* SQLite would make it readable by everybody. */
	int fd = open(db->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), r;

	*ret_why = "it is damaged";
	if (fd < 0)
		return errno == EISDIR ? DB_DAMAGED : -errno;
	close(fd);
	r = db_conn_open(db, epoch, true, &conn);
	if (r == 0)
		r = content_open(db, conn, ret_why);
	if (r != 0) {
		if (conn)
			(void)sqlite3_db_config(conn->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
						NULL);
		db_conn_close(&conn);
		return r;
	}
	db->writer = conn;
	atomic_store(&db->epoch, epoch);
	return 0;
}

/* ---- replacing ------------------------------------------------------------------ */

/* write_lock is held (or nobody else is there yet); the epoch is odd. */
static int file_replace(struct db *db, const char *why)
{
	int r;

	log_warning("%s: %s: it is set aside and begun anew", db->path, why);
	r = aside_put(db->path);
	if (r < 0)
		return r;
	atomic_fetch_add(&db->set_aside, 1);
	return writer_open(db, &why);
}

int db_revive_locked(struct db *db)
{
	const char *why;
	char *slash, *dir;
	int r;

	if (db->writer)
		return 0;
	if (clock_ms() < db->retry_ms)
		return -EIO;
	/* The directory itself may be gone. */
	dir = slice_dup(slice_of(db->path));
	slash = dir ? strrchr(dir, '/') : NULL;
	if (slash) {
		*slash = '\0';
		(void)file_mkdirs(dir);
	}
	free(dir);
	/* Numbers given once must not be given twice: an empty state.db is no replacement. */
	if (!db->spec->replaceable && access(db->path, F_OK) != 0)
		r = -EIO;
	else
		r = writer_open(db, &why);
	if (r == DB_DAMAGED)
		r = db->spec->replaceable ? file_replace(db, why) : -EIO;
	if (r == DB_DAMAGED)
		r = -EIO;
	if (r < 0)
		db->retry_ms = clock_ms() + RETRY_MS;
	return r;
}

int db_revive(struct db *db)
{
	int r;

	/* Somebody else is at it: that is no reason for a reader to wait. */
	if (pthread_mutex_trylock(&db->write_lock) != 0)
		return -EIO;
	r = db_revive_locked(db);
	pthread_mutex_unlock(&db->write_lock);
	return r;
}

int db_replace(struct db *db, uint64_t epoch, const char *why)
{
	int r = 0;

	pthread_mutex_lock(&db->write_lock);
	if (atomic_load(&db->epoch) == epoch && db->writer) {
		atomic_store(&db->epoch, epoch + 1);
		(void)sqlite3_db_config(db->writer->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		db_conn_close(&db->writer);
		db_idle_close(db);
		if (db->spec->replaceable) {
			r = file_replace(db, why);
		} else {
			log_error("%s: %s: it is not used before a check finds it sound", db->path,
				  why);
			r = -EIO;
		}
		if (r != 0) {
			if (db->spec->replaceable)
				log_error("%s: cannot be begun anew: %s", db->path,
					  strerror(r < 0 ? -r : EIO));
			db->retry_ms = clock_ms() + RETRY_MS;
			r = r < 0 ? r : -EIO;
		}
	}
	pthread_mutex_unlock(&db->write_lock);
	return r;
}

/* ---- opening -------------------------------------------------------------------- */

static void open_explain(const struct db *db, int r, const char *why, char **ret_error)
{
	int n;

	if (r == -EUCLEAN)
		n = asprintf(ret_error,
			     "%s: %s; it is not replaced, because it holds inode numbers and "
			     "changes not yet sent: "
			     "restore it from a backup, or move it away to begin anew",
			     db->path, why);
	else if (r == -EBUSY)
		n = asprintf(ret_error, "%s: another process has it open", db->path);
	else
		n = asprintf(ret_error, "%s: cannot be opened: %s", db->path, strerror(-r));
	if (n < 0)
		*ret_error = NULL;
}

int db_open(struct db *db, const struct db_spec *spec, const char *dir, int64_t identity,
	    char **ret_error)
{
	const char *why = "";
	int r;

	*db = (struct db){ .spec = spec, .identity = identity, .wal_pages = spec->wal_pages };
	if (asprintf(&db->path, "%s/%s", dir, spec->file) < 0) {
		db->path = NULL;
		return -ENOMEM;
	}
	pthread_mutex_init(&db->write_lock, NULL);
	pthread_mutex_init(&db->pool_lock, NULL);
	atomic_store(&db->epoch, 1);
	if (spec->replaceable)
		aside_expire(db->path);
	r = writer_open(db, &why);
	if (r == DB_DAMAGED)
		r = spec->replaceable ? file_replace(db, why) : -EUCLEAN;
	if (r == DB_DAMAGED)
		r = -EIO;
	if (r < 0) {
		open_explain(db, r, why, ret_error);
		db_close(db);
	}
	return r;
}

void db_close(struct db *db)
{
	if (!db->path)
		return;
	db_idle_close(db);
	db_conn_close(&db->writer);
	pthread_mutex_destroy(&db->write_lock);
	pthread_mutex_destroy(&db->pool_lock);
	free(db->path);
	db->path = NULL;
}
