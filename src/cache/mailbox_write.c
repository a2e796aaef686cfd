/*
 * Mailbox rows, written. Numbers come from state.db and are on the disk there before the index uses them.
 */
#include "cache/private.h"

#include <stdlib.h>

#include "util/buf.h"

#define COUNT_MAX 1000000 /* of one put_all */

static bool mailbox_fits(const struct cache_mailbox *mailbox)
{
	size_t room = sizeof(((struct cache_mailbox_row *)NULL)->storage);

	return mailbox->id <= CACHE_NUMBER_LAST && mailbox->name.len <= CACHE_NAME_MAX &&
	       mailbox->wire.len <= room && mailbox->utf8.len <= room &&
	       mailbox->wire.len + mailbox->name.len + mailbox->utf8.len <= room;
}

/* A directory without a decoded name is known by where it is; no decoded name begins with that byte. */
static int number_of_directory(struct db_conn *conn, const struct cache_mailbox *mailbox,
			       uint32_t *ret_id)
{
	char head[16];
	struct buf key;
	int r;

	if (mailbox->utf8.len)
		return state_number_get(conn, mailbox->utf8, 0, ret_id);
	if (!mailbox->name.len)
		return -EINVAL;
	buf_init(&key, sizeof(head) + CACHE_NAME_MAX);
	buf_appendf(&key, "\x01%u:", mailbox->parent);
	buf_append_slice(&key, mailbox->name);
	r = key.error ? key.error : state_number_get(conn, buf_slice(&key), 0, ret_id);
	buf_release(&key);
	return r;
}

static int do_numbers(struct db_conn *conn, const struct cache_mailbox *mailboxes, size_t count,
		      uint32_t *ids)
{
	size_t i;
	int r = 0;

	for (i = 0; i < count && r == 0; i++) {
		ids[i] = mailboxes[i].id;
		if (!ids[i])
			r = number_of_directory(conn, &mailboxes[i], &ids[i]);
	}
	return r;
}

static int do_put(struct db_conn *conn, const struct cache_mailbox *mailbox, uint32_t id)
{
	sqlite3_stmt *put = db_statement(
		conn, INDEX_MAILBOX_PUT,
		"INSERT INTO mailbox(id, parent, wire, name, utf8, delimiter, attributes)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(id) DO UPDATE SET"
		" parent = ?2, wire = ?3, name = ?4, utf8 = ?5, delimiter = ?6, attributes = ?7");

	if (put) {
		db_bind_int(put, 1, id);
		db_bind_int(put, 2, mailbox->parent);
		db_bind_text(put, 3, mailbox->wire);
		db_bind_text(put, 4, mailbox->name);
		db_bind_text(put, 5, mailbox->utf8);
		db_bind_int(put, 6, mailbox->delimiter);
		db_bind_int(put, 7, mailbox->attributes);
	}
	return db_run(conn, put);
}

static int put_rows(struct cache *cache, const struct cache_mailbox *mailboxes, size_t count,
		    const uint32_t *ids)
{
	struct db_conn *conn;
	size_t i;
	int r = db_write_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	for (i = 0; i < count && r == 0; i++)
		r = do_put(conn, &mailboxes[i], ids[i]);
	return db_write_end(&cache->index, conn, r);
}

static int put_all(struct cache *cache, const struct cache_mailbox *mailboxes, size_t count,
		   uint32_t *ids)
{
	struct db_conn *conn;
	size_t i;
	int r;

	for (i = 0; i < count; i++)
		if (!mailbox_fits(&mailboxes[i]))
			return -ENAMETOOLONG;
	r = db_write_begin(&cache->state, &conn);
	if (r < 0)
		return r;
	r = db_write_end(&cache->state, conn, do_numbers(conn, mailboxes, count, ids));
	return r < 0 ? r : put_rows(cache, mailboxes, count, ids);
}

int cache_mailbox_put(struct cache *cache, const struct cache_mailbox *mailbox, uint32_t *ret_id)
{
	uint32_t id = 0;
	int r = put_all(cache, mailbox, 1, &id);

	if (r == 0 && ret_id)
		*ret_id = id;
	return r;
}

int cache_mailbox_put_all(struct cache *cache, struct cache_mailbox *mailboxes, size_t count)
{
	uint32_t *ids;
	size_t i;
	int r;

	if (!count)
		return 0;
	if (count > COUNT_MAX)
		return -E2BIG;
	ids = calloc(count, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	r = put_all(cache, mailboxes, count, ids);
	for (i = 0; i < count && r == 0; i++)
		mailboxes[i].id = ids[i];
	free(ids);
	return r;
}

static int do_remove(struct db_conn *conn, uint32_t id)
{
	sqlite3_stmt *remove = db_statement(conn, INDEX_MAILBOX_REMOVE,
					    "DELETE FROM mailbox WHERE id = ?1 RETURNING box");
	int64_t box;
	int r;

	if (remove)
		db_bind_int(remove, 1, id);
	r = db_number(conn, remove, &box);
	return r < 0 || !box ? r : message_remove_box(conn, (uint32_t)box);
}

int cache_mailbox_remove(struct cache *cache, uint32_t id)
{
	struct db_conn *conn;
	int r = db_write_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	return db_write_end(&cache->index, conn, do_remove(conn, id));
}

static int do_update(struct db_conn *conn, uint32_t id, uint32_t which,
		     const struct cache_mailbox *values)
{
	sqlite3_stmt *update = db_statement(
		conn, INDEX_MAILBOX_UPDATE,
		"UPDATE mailbox SET"
		" uidnext = iif(?2 & 1, ?3, uidnext), messages = iif(?2 & 2, ?4, messages),"
		" unseen = iif(?2 & 4, ?5, unseen), recent = iif(?2 & 8, ?6, recent),"
		" highestmodseq = iif(?2 & 16, ?7, highestmodseq),"
		" synced = iif(?2 & 32, ?8, synced), mtime = iif(?2 & 64, ?9, mtime),"
		" listed = iif(?2 & 128, ?10, listed) WHERE id = ?1");
	int r;

	_Static_assert(CACHE_MB_UIDNEXT == 1 && CACHE_MB_LISTED == 128,
		       "the statement has the numbers");
	if (update) {
		db_bind_int(update, 1, id);
		db_bind_int(update, 2, which);
		db_bind_int(update, 3, values->uidnext);
		db_bind_int(update, 4, values->messages);
		db_bind_int(update, 5, values->unseen);
		db_bind_int(update, 6, values->recent);
		db_bind_int(update, 7, db_int(values->highestmodseq));
		db_bind_int(update, 8, values->synced_s);
		db_bind_int(update, 9, values->mtime_s);
		db_bind_int(update, 10, values->listed);
	}
	r = db_run(conn, update);
	return r == 0 && sqlite3_changes(conn->sql) == 0 ? -ENOENT : r;
}

int cache_mailbox_update(struct cache *cache, uint32_t id, uint32_t which,
			 const struct cache_mailbox *values)
{
	struct db_conn *conn;
	int r = db_write_begin(&cache->index, &conn);

	if (r < 0)
		return r;
	return db_write_end(&cache->index, conn, do_update(conn, id, which, values));
}

/* ---- UIDVALIDITY --------------------------------------------------------------- */

/* The box of (mailbox, uidvalidity), remembered or new. */
static int number_of_box(struct cache *cache, const struct cache_mailbox *mailbox,
			 uint32_t uidvalidity, uint32_t *ret_box)
{
	struct db_conn *conn;
	int r;

	if (!mailbox->utf8.len)
		return -EINVAL;
	r = db_write_begin(&cache->state, &conn);
	if (r < 0)
		return r;
	return db_write_end(&cache->state, conn,
			    state_number_get(conn, mailbox->utf8, uidvalidity, ret_box));
}

static int do_set_box(struct db_conn *conn, uint32_t id, uint32_t old_box, uint32_t box,
		      uint32_t uidvalidity)
{
	sqlite3_stmt *set = db_statement(
		conn, INDEX_MAILBOX_SET_BOX,
		"UPDATE mailbox SET box = ?3, uidvalidity = ?4, uidnext = 0, messages = 0,"
		" unseen = 0, recent = 0, highestmodseq = 0, synced = 0, listed = 0, rows = 0"
		" WHERE id = ?1 AND box = ?2");
	int r;

	if (set) {
		db_bind_int(set, 1, id);
		db_bind_int(set, 2, old_box);
		db_bind_int(set, 3, box);
		db_bind_int(set, 4, uidvalidity);
	}
	r = db_run(conn, set);
	if (r < 0)
		return r;
	if (sqlite3_changes(conn->sql) == 0)
		return -EAGAIN; /* somebody else changed it meanwhile */
	if (old_box)
		r = message_remove_box(conn, old_box);
	/* Rows of an earlier time of this box would not be counted. */
	return r < 0 ? r : message_remove_box(conn, box);
}

static int set_uidvalidity(struct cache *cache, uint32_t id, uint32_t uidvalidity,
			   uint32_t *ret_box)
{
	struct cache_mailbox_row row;
	struct db_conn *conn;
	uint32_t box;
	int r = cache_mailbox_get(cache, id, &row);

	if (r < 0)
		return r;
	if (row.m.box && row.m.uidvalidity == uidvalidity) {
		*ret_box = row.m.box;
		return 0;
	}
	r = number_of_box(cache, &row.m, uidvalidity, &box);
	if (r < 0)
		return r;
	r = db_write_begin(&cache->index, &conn);
	if (r < 0)
		return r;
	r = db_write_end(&cache->index, conn, do_set_box(conn, id, row.m.box, box, uidvalidity));
	if (r == 0)
		*ret_box = box;
	return r;
}

int cache_mailbox_set_uidvalidity(struct cache *cache, uint32_t id, uint32_t uidvalidity,
				  uint32_t *ret_box)
{
	int tries, r = -EAGAIN;

	if (!uidvalidity)
		return -EINVAL;
	for (tries = 0; tries < 10 && r == -EAGAIN; tries++)
		r = set_uidvalidity(cache, id, uidvalidity, ret_box);
	return r;
}
