/*
 * The disk. Three SQLite databases:
 *
 *   index.db   mailboxes and messages: the model that the filesystem reads  } in cache_dir: may be
 *   bodies.db  the bytes of messages, in chunks of at most 1 MiB            } deleted at any moment
 *   state.db   what must not be lost: inode numbers, chosen names, journal, outbox (state_dir)
 *
 * index.db or bodies.db that is corrupt or of an unknown version is set aside
 * (renamed *.broken-TIME, one kept) and begun anew, also when it turns out so in the middle of work; a damaged
 * state.db refuses to open.
 *
 * Threads: any. A read has a read connection to itself for as long as it lasts (out of a pool that is closed with the cache);
 * writes go through one write connection a database under a lock of its own, and are short transactions: a
 * reader never waits for a writer (WAL). No statement stays open over a return. Row callbacks run while a read
 * statement is open: they must not call the cache and must not block.
 *
 * Numbers: a mailbox has an `id` (its directory's number) and a `box` (the number of its messages, new whenever
 * UIDVALIDITY changes); both come from one sequence in state.db, so that they survive the loss of the cache.
 * They start at 2 and never exceed 2^31-2 (id << 32 | uid must stay below 2^63).
 *
 * A cache must not be carried over fork(): a daemon opens it after it has forked.
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <imap/set.h>
#include <imap/types.h>

#include "util/slice.h"

struct cache;

struct cache_params {
	const char *cache_dir; /* made when missing, mode 0700 */
	const char *state_dir;
	uint64_t
		cache_size; /* bodies.db's bound in bytes, at least 8 MiB; 0: as if it were 8 MiB, and emptied at the end */
	int lock_wait_ms; /* how long to wait for another daemon's lock on cache_dir */
};

/* 0; -EBUSY: another daemon has this cache_dir (or, under another cache_dir, this state_dir); -EUCLEAN: state.db is damaged; else -errno. `ret_error` (owned, may be
 * NULL on -ENOMEM) says what failed, why and what to do, in one line. */
int cache_open(const struct cache_params *params, struct cache **ret_cache, char **ret_error);
/* Nobody else may be in a call. */
void cache_close(struct cache **cache);
/* Changes whenever index.db was begun anew while open: all rows are gone then, and every mailbox has to be put and synced
 * again (it gets the numbers it had). Compare with what it was before; no other meaning. */
uint64_t cache_generation(struct cache *cache);

#define CACHE_NAME_MAX 255 /* a directory entry */

/* ---- mailboxes -------------------------------------------------------------- */

struct cache_mailbox {
	uint32_t id;     /* the directory; 1 is the root */
	uint32_t box;    /* its messages; 0: none known yet */
	uint32_t parent; /* id of the parent directory */
	struct slice
		wire; /* the name as on the wire; empty for directories that only a prefix implies */
	struct slice name; /* the directory entry: UTF-8, escaped */
	struct slice
		utf8;   /* the whole decoded name with the server's delimiter, for user.imap.name */
	char delimiter; /* 0: none */
	uint32_t attributes;                                     /* enum imap_attribute */
	uint32_t uidvalidity, uidnext, messages, unseen, recent; /* as last heard; unknown: 0 */
	uint64_t highestmodseq;                                  /* unknown or unsupported: 0 */
	int64_t synced_s; /* wall clock of the last complete sync of the messages; 0: never */
	int64_t mtime_s;  /* advances when the contents change */
	bool listed;      /* the UID list is complete (attributes may still be missing) */
};

typedef int cache_mailbox_fn(void *user,
			     const struct cache_mailbox *mailbox); /* not 0: stop and return it */

/* Lookups copy the texts into `storage` and point the slices there. -ENOENT. */
struct cache_mailbox_row {
	struct cache_mailbox m;
	char storage[8192];
};
int cache_mailbox_get(struct cache *cache, uint32_t id, struct cache_mailbox_row *ret_row);
int cache_mailbox_by_box(struct cache *cache, uint32_t box, struct cache_mailbox_row *ret_row);
int cache_mailbox_by_name(struct cache *cache, uint32_t parent, struct slice name,
			  struct cache_mailbox_row *ret_row);
int cache_mailbox_by_wire(struct cache *cache, struct slice wire,
			  struct cache_mailbox_row *ret_row);
/* Children of `parent` with id > after, by id; at most `max`. */
int cache_mailbox_children(struct cache *cache, uint32_t parent, uint32_t after, size_t max,
			   cache_mailbox_fn *fn, void *user);
int cache_mailbox_all(struct cache *cache, cache_mailbox_fn *fn, void *user);

/* Adds or changes (by id) the tree's columns: parent, wire, name, utf8, delimiter, attributes. When mailbox->id is 0 it is given
 * one: the one state.db remembers for this utf8 name, or a new one. */
int cache_mailbox_put(struct cache *cache, const struct cache_mailbox *mailbox, uint32_t *ret_id);
/* Many at once in one transaction; ids are written back. */
int cache_mailbox_put_all(struct cache *cache, struct cache_mailbox *mailboxes, size_t count);
/* Removes the rows and its messages' rows; bodies stay until evicted. */
int cache_mailbox_remove(struct cache *cache, uint32_t id);

/* What SELECT, STATUS or the end of a sync said; only the fields in `which` are written. */
enum cache_mailbox_field {
	CACHE_MB_UIDNEXT = 1 << 0,
	CACHE_MB_MESSAGES = 1 << 1,
	CACHE_MB_UNSEEN = 1 << 2,
	CACHE_MB_RECENT = 1 << 3,
	CACHE_MB_HIGHESTMODSEQ = 1 << 4,
	CACHE_MB_SYNCED = 1 << 5,
	CACHE_MB_MTIME = 1 << 6,
	CACHE_MB_LISTED = 1 << 7,
};
int cache_mailbox_update(struct cache *cache, uint32_t id, uint32_t which,
			 const struct cache_mailbox *values);
/* UIDVALIDITY as now seen. The same: ret_box is the present box. Another: the messages known are dropped and the mailbox gets
 * the box that state.db remembers for (name, uidvalidity), or a new one; listed, synced_s, highestmodseq are reset. */
int cache_mailbox_set_uidvalidity(struct cache *cache, uint32_t id, uint32_t uidvalidity,
				  uint32_t *ret_box);

/* ---- messages --------------------------------------------------------------- */

struct cache_message {
	uint32_t box;
	imap_uid uid;
	uint64_t ino; /* 0: by the rule, box << 32 | uid */
	bool known;   /* attributes are here; false: only the UID is */
	bool exact;   /* size was proven by reading to the end */
	uint64_t size;
	int64_t internaldate;  /* seconds since 1970 UTC */
	uint32_t flags;        /* enum imap_flag */
	struct slice keywords; /* space-separated */
	uint64_t modseq;       /* 0: unknown */
	struct slice name;     /* readable name, or empty where names=uid */
	struct slice emailid;  /* or empty */
};

typedef int cache_message_fn(void *user, const struct cache_message *message);

struct cache_message_row {
	struct cache_message m;
	char storage[4096]; /* keywords beyond it are cut */
};
int cache_message_get(struct cache *cache, uint32_t box, imap_uid uid,
		      struct cache_message_row *ret_row);
int cache_message_by_name(struct cache *cache, uint32_t box, struct slice name,
			  struct cache_message_row *ret_row);
/* One page of a listing, newest first: messages with uid < before (0: from the top), at most `max`.
 * `with_unknown` false: those whose attributes are missing are left out. */
int cache_message_page(struct cache *cache, uint32_t box, imap_uid before, size_t max,
		       bool with_unknown, cache_message_fn *fn, void *user);
/* The UIDs with uid > after (ascending) resp. uid < before (descending), at most `max`, skipping nothing; *ret_count. For read-ahead. */
int cache_message_next_uids(struct cache *cache, uint32_t box, imap_uid from, bool ascending,
			    size_t max, imap_uid *ret_uids, size_t *ret_count);
/* The same in the order of names. `from` is a UID whose name is the start. */
int cache_message_next_by_name(struct cache *cache, uint32_t box, imap_uid from, size_t max,
			       imap_uid *ret_uids, size_t *ret_count);
int cache_message_count(struct cache *cache, uint32_t box, uint32_t *ret_messages);
/* Those known to be without \Seen. Reads all rows: for the end of a sync. */
int cache_message_count_unseen(struct cache *cache, uint32_t box, uint32_t *ret_unseen);
/* All UIDs of the box (with_unknown) or only those whose attributes are missing. `set` is replaced. */
int cache_message_uids(struct cache *cache, uint32_t box, bool only_unknown, struct imap_set *set);
/* Streams (uid, flags, keywords, modseq) of all messages in ascending order, for the merge with what a server says. */
int cache_message_flags(struct cache *cache, uint32_t box, cache_message_fn *fn, void *user);

/* Writing messages of a box that is no mailbox's present one (UIDVALIDITY changed, or the mailbox went) is -ENOENT.
 *
 * Adds UIDs that are not there yet, attributes unknown. One transaction. -E2BIG: more than 2^24. */
int cache_message_add_uids(struct cache *cache, uint32_t box, const struct imap_set *set);
/* Adds or replaces attributes of many messages in one transaction (proven sizes stay). Uses box, uid, size, internaldate, flags, keywords, modseq, name, emailid; sets known.
 * Fastest where the UIDs of a batch rise or fall throughout. -EINVAL: no UID, or a name or emailid over 255 bytes. */
int cache_message_put(struct cache *cache, const struct cache_message *messages, size_t count);
/* Only flags, keywords, modseq. */
int cache_message_put_flags(struct cache *cache, const struct cache_message *messages,
			    size_t count);
int cache_message_remove(struct cache *cache, uint32_t box, const struct imap_set *set);
/* The size that reading to the end proved; sets exact. */
int cache_message_set_size(struct cache *cache, uint32_t box, imap_uid uid, uint64_t size);

/* ---- bodies ----------------------------------------------------------------- */

#define CACHE_CHUNK_SIZE 1048576u

struct cache_body {
	uint32_t box;
	imap_uid uid;
	uint32_t chunk; /* bytes [chunk * CACHE_CHUNK_SIZE, ...) */
	const void *data;
	size_t len; /* a chunk shorter than CACHE_CHUNK_SIZE is the message's last */
};

/* Reads up to `len` bytes at `offset` inside a chunk: the number of bytes (0: at or past its end), -ENOENT: not cached.
 * *ret_chunk_len (may be NULL) is the whole chunk's length. */
ssize_t cache_body_read(struct cache *cache, uint32_t box, imap_uid uid, uint32_t chunk,
			uint64_t offset, void *buf, size_t len, size_t *ret_chunk_len);
bool cache_body_has(struct cache *cache, uint32_t box, imap_uid uid, uint32_t chunk);
/* Stores many chunks in one transaction (the caller keeps batches to a few MiB), evicting the least recently used beyond cache_size.
 * Errors are logged by the cache and not fatal to anybody: -ENOSPC, -EIO; -E2BIG: more than 4096 chunks, or bytes than three
 * quarters of the cache (at least 6 MiB). */
int cache_body_put(struct cache *cache, const struct cache_body *bodies, size_t count);

/* ---- state ------------------------------------------------------------------ */

/* Remembers that the account `key` ("user@host:port") uses this state; -EEXIST when the state belongs to another. */
int cache_state_claim(struct cache *cache, const char *key);

/* ---- facts for .imapfs/status ------------------------------------------------- */

struct cache_status {
	uint64_t index_bytes, bodies_bytes, bodies_limit;
	uint64_t mailboxes, body_hits, body_misses, evicted, set_aside;
};
void cache_status_get(struct cache *cache, struct cache_status *ret_status);

#endif
