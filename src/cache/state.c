/*
 * What must not be lost: here the numbers. A directory is known by its decoded name, a box by that and
 * UIDVALIDITY; whoever asks for the same again, after any loss of the cache, gets the same number, and no
 * number ever means two things.
 */
#include "cache/private.h"

int state_number_last(struct db_conn *conn, int64_t *ret_number)
{
	return db_number(
		conn,
		db_statement(
			conn, STATE_NUMBER_LAST,
			"SELECT coalesce(max(seq), 1) FROM sqlite_sequence WHERE name = 'number'"),
		ret_number);
}

static int state_number_add(struct db_conn *conn, struct slice name, uint32_t uidvalidity,
			    uint32_t *ret_number)
{
	sqlite3_stmt *add = db_statement(
		conn, STATE_NUMBER_ADD,
		"INSERT INTO number(id, name, uidvalidity) VALUES("
		"(SELECT coalesce(max(seq), 1) + 1 FROM sqlite_sequence WHERE name = 'number'),"
		" ?1, ?2) RETURNING id");
	int64_t number;
	int r;

	if (add) {
		db_bind_text(add, 1, name);
		db_bind_int(add, 2, uidvalidity);
	}
	r = db_number(conn, add, &number);
	if (r < 0)
		return r == -ENOENT ? db_damaged(conn) : r;
	if (number > CACHE_NUMBER_LAST)
		return -EOVERFLOW;
	*ret_number = (uint32_t)number;
	return 0;
}

int state_number_get(struct db_conn *conn, struct slice name, uint32_t uidvalidity,
		     uint32_t *ret_number)
{
	sqlite3_stmt *get = db_statement(
		conn, STATE_NUMBER_GET,
		"SELECT id FROM number WHERE name = ?1 AND uidvalidity = ?2");
	int64_t number;
	int r;

	if (get) {
		db_bind_text(get, 1, name);
		db_bind_int(get, 2, uidvalidity);
	}
	r = db_number(conn, get, &number);
	if (r == -ENOENT)
		return state_number_add(conn, name, uidvalidity, ret_number);
	if (r < 0)
		return r;
	if (number < CACHE_NUMBER_FIRST || number > CACHE_NUMBER_LAST)
		return db_damaged(conn);
	*ret_number = (uint32_t)number;
	return 0;
}

static int do_claim(struct db_conn *conn, struct slice key)
{
	sqlite3_stmt *get = db_statement(conn, STATE_ACCOUNT_GET,
					 "SELECT value FROM meta WHERE key = 'account'");
	sqlite3_stmt *set;
	int r = db_step(conn, get);

	if (r < 0)
		return r;
	if (r > 0)
		return slice_eq(db_text(get, 0), key) ? 0 : -EEXIST;
	set = db_statement(conn, STATE_ACCOUNT_SET, "INSERT INTO meta VALUES('account', ?1)");
	if (set)
		db_bind_text(set, 1, key);
	return db_run(conn, set);
}

int cache_state_claim(struct cache *cache, const char *key)
{
	struct db_conn *conn;
	int r;

	if (!*key)
		return -EINVAL;
	r = db_write_begin(&cache->state, &conn);
	if (r < 0)
		return r;
	return db_write_end(&cache->state, conn, do_claim(conn, slice_of(key)));
}
