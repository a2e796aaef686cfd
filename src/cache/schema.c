/*
 * The tables, as docs/cache.md describes them. A change here is a new version: index.db and bodies.db
 * of another version are begun anew; state.db never is, it has to be carried over.
 *
 * synchronous: state.db FULL, a commit is on the disk. The others NORMAL: after a power loss the last
 * commits may be missing, but what is there is whole. (OFF would not do: a page of the index that is
 * older than its neighbours is a wrong answer that nothing notices.)
 */
#include "cache/schema.h"

_Static_assert(INDEX_COUNT <= DB_STATEMENTS_MAX - 2, "two slots are the transaction's");
_Static_assert(BODIES_COUNT <= DB_STATEMENTS_MAX - 2, "two slots are the transaction's");
_Static_assert(STATE_COUNT <= DB_STATEMENTS_MAX - 2, "two slots are the transaction's");

#define META "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"

/* mailbox.rows counts the message rows, so that nobody has to. message.state: 1 attributes known,
 * 2 size proven. */
const struct db_spec schema_index = {
	.file = "index.db",
	.version = 1,
	.birth = "PRAGMA page_size=4096;",
	.pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
	.schema = META
	"CREATE TABLE mailbox("
	" id INTEGER PRIMARY KEY, box INTEGER NOT NULL DEFAULT 0, parent INTEGER NOT NULL,"
	" wire TEXT, name TEXT, utf8 TEXT, delimiter INTEGER NOT NULL, attributes INTEGER NOT NULL,"
	" uidvalidity INTEGER NOT NULL DEFAULT 0, uidnext INTEGER NOT NULL DEFAULT 0,"
	" messages INTEGER NOT NULL DEFAULT 0, unseen INTEGER NOT NULL DEFAULT 0,"
	" recent INTEGER NOT NULL DEFAULT 0, highestmodseq INTEGER NOT NULL DEFAULT 0,"
	" synced INTEGER NOT NULL DEFAULT 0, mtime INTEGER NOT NULL DEFAULT 0,"
	" listed INTEGER NOT NULL DEFAULT 0, rows INTEGER NOT NULL DEFAULT 0);"
	"CREATE INDEX mailbox_box ON mailbox(box) WHERE box <> 0;"
	"CREATE INDEX mailbox_wire ON mailbox(wire) WHERE wire IS NOT NULL;"
	"CREATE INDEX mailbox_name ON mailbox(parent, name);"
	"CREATE INDEX mailbox_parent ON mailbox(parent);"
	"CREATE TABLE message("
	" box INTEGER NOT NULL, uid INTEGER NOT NULL, state INTEGER NOT NULL, size INTEGER,"
	" internaldate INTEGER, flags INTEGER, modseq INTEGER, keywords TEXT, name TEXT, emailid "
	"TEXT,"
	" ino INTEGER, PRIMARY KEY(box, uid)) WITHOUT ROWID;"
	"CREATE INDEX message_name ON message(box, name) WHERE name IS NOT NULL;",
	.write_cache_kib = 2048,
	.read_cache_kib = 384,
	.wal_pages = 1024,
	.wal_limit = 8 << 20,
	.replaceable = true,
	.rows = true,
};

/* A chunk's pieces have the numbers id, id + 1, ...; its record is apart from the bytes, so that
 * noting a use does not write them again. */
const struct db_spec schema_bodies = {
	.file = "bodies.db",
	.version = 1,
	.birth = "PRAGMA page_size=32768; PRAGMA auto_vacuum=INCREMENTAL;",
	.pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
	.schema = META
	"CREATE TABLE chunk("
	" box INTEGER NOT NULL, uid INTEGER NOT NULL, chunk INTEGER NOT NULL, id INTEGER NOT NULL,"
	" len INTEGER NOT NULL, used INTEGER NOT NULL, PRIMARY KEY(box, uid, chunk)) WITHOUT ROWID;"
	"CREATE INDEX chunk_used ON chunk(used);"
	"CREATE TABLE piece(id INTEGER PRIMARY KEY, sum INTEGER NOT NULL, data BLOB NOT NULL);",
	.write_cache_kib = 1024,
	.read_cache_kib = 384,
	.wal_pages = 512,
	.wal_limit = 20 << 20,
	.replaceable = true,
};

/* number.uidvalidity 0: the directory; else the box of that name and UIDVALIDITY. */
const struct db_spec schema_state = {
	.file = "state.db",
	.version = 1,
	.birth = "PRAGMA page_size=4096;",
	.pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
	.schema = META
	"CREATE TABLE number("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, uidvalidity INTEGER NOT NULL,"
	" UNIQUE(name, uidvalidity));"
	"CREATE TABLE inode("
	" box INTEGER NOT NULL, uid INTEGER NOT NULL, ino INTEGER NOT NULL, PRIMARY KEY(box, uid))"
	" WITHOUT ROWID;"
	"CREATE TABLE name("
	" box INTEGER NOT NULL, uid INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY(box, uid))"
	" WITHOUT ROWID;",
	.write_cache_kib = 256,
	.read_cache_kib = 128,
	.wal_pages = 256,
	.wal_limit = 2 << 20,
	.replaceable = false,
	.check = true,
};
