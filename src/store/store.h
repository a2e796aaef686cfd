/*
 * The mail model: the tree of mailboxes, their messages, and the bytes of a message,
 * all by inode number. The index (cache) is the model; the session is asked only for
 * what is missing, and a change it brings is told to the layer above by events.
 *
 * Every function that may need the network takes a mode: STORE_NOWAIT answers from
 * memory, index and bodies, or says -EAGAIN; STORE_WAIT may block the calling worker,
 * never longer than the session's timeouts, and ends with -ECANCELED after store_stop().
 * Errors: -ENOENT, -ENOTDIR, -EISDIR, -EIO (the server could not be asked or refused; logged), -EACCES, -ECANCELED.
 *
 * Inode numbers: the root is 1; the directory of mailbox `id` is id << 32; a message is message.ino, or box << 32 | uid
 * (see cache/cache.h). Numbers from 2^63 up are not ours.
 *
 * Threads: any.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cache/cache.h"
#include "session/session.h"
#include "util/slice.h"

#define STORE_ROOT 1u

struct store;

enum store_mode { STORE_NOWAIT, STORE_WAIT };
enum store_names { STORE_NAMES_READABLE, STORE_NAMES_UID };

/* A body that read-ahead brought; shared, immutable. */
struct store_body {
	uint64_t ino;
	uint64_t offset;
	size_t len;
	const void *data;
};
struct store_body *store_body_get(struct store_body *body); /* one more reference */
void store_body_put(struct store_body **body);

/* What the layer above must tell the kernel. Called from the store's threads with no lock held; must not block or call back. */
struct store_events {
	/* The listing of `dir` is no longer what it was (or merely too old to be trusted). */
	void (*listing_changed)(void *user, uint64_t dir);
	/* A name that was not there before: matters where the kernel remembers that it was missing. */
	void (*entry_added)(void *user, uint64_t dir, struct slice name);
	void (*entry_removed)(void *user, uint64_t dir, struct slice name, uint64_t ino);
	/* Size or other attributes of `ino` changed. */
	void (*attr_changed)(void *user, uint64_t ino);
	/* Bytes of a message that nobody has read yet, worth putting into the page cache: the whole of it (or full pages of it), no
	 * byte more than the index says it has. Takes a reference of its own if it keeps it. */
	void (*body_arrived)(void *user, struct store_body *body);
};

struct store_params {
	struct session *session;
	struct cache *cache;
	enum store_names names;
	const char *root_mailbox; /* UTF-8 name of the mailbox that is the root, or NULL */
	bool subscribed;
	int poll_s;
	int timeout_ms;
	size_t ring_bytes; /* memory for bodies in flight; 0: 16 MiB */
	const struct store_events *events;
	void *events_user;
};

/* Makes the tree known: from the index when it is there (and refreshes it in the background), else by asking the server. 0 or -errno with
 * one line for a person in *ret_error: -ENOENT when root_mailbox does not exist. Starts the store's threads. */
int store_open(const struct store_params *params, struct store **ret_store, char **ret_error);
/* Ends all waits. */
void store_stop(struct store *store);
/* After store_stop() and when no call is inside: joins threads, flushes bodies to the cache, frees. */
void store_close(struct store **store);

struct store_attr {
	uint64_t ino;
	uint64_t generation; /* UIDVALIDITY */
	bool is_dir;
	bool known;    /* false only in listings: size and mtime are not known yet */
	uint64_t size; /* messages: bytes; directories: 0 */
	int64_t mtime_s;
	uint32_t nlink; /* directories: 2 + child mailboxes where cheap, else 1 */
};

int store_lookup(struct store *store, uint64_t dir, struct slice name, enum store_mode mode,
		 struct store_attr *ret_attr);
/* A message of the mailbox by its UID (".uid/5.eml"); the same inode. */
int store_lookup_uid(struct store *store, uint64_t dir, imap_uid uid, enum store_mode mode,
		     struct store_attr *ret_attr);
int store_getattr(struct store *store, uint64_t ino, enum store_mode mode,
		  struct store_attr *ret_attr);

/*
 * Entries behind `cookie` (0: the beginning): child mailboxes, then messages, newest first. Each entry comes with the cookie that stands
 * behind it. `fn` returns false when it is full (that entry is not consumed). Entries whose attributes are not known yet have attr->known false.
 * -EAGAIN (NOWAIT): the server must be asked first, or a first sync has not come so far. In WAIT mode a call that returns 0 without
 * having called fn is the end of the directory, which is never said before the listing is complete. Cookie 0 of a mailbox that was synced
 * longer than `poll` ago (or not in this mount) resyncs first; when the server cannot be reached, the index serves.
 * fn runs while the index is being read: it must not call the store.
 */
typedef bool store_entry_fn(void *user, struct slice name, const struct store_attr *attr,
			    uint64_t cookie);
int store_list(struct store *store, uint64_t dir, uint64_t cookie, enum store_mode mode,
	       store_entry_fn *fn, void *user);

struct store_read_facts {
	bool size_grew, size_shrank; /* this read proved the size that was announced wrong */
	uint64_t size;               /* the size now known */
};
/* Reads at most `len` bytes at `offset`: the number of bytes, 0 at the end. One FETCH however many read the same. */
ssize_t store_read(struct store *store, uint64_t ino, uint64_t offset, void *buf, size_t len,
		   enum store_mode mode, struct store_read_facts *ret_facts);

/* For user.imap.* : what the index knows. -ENOENT, -EISDIR, -ENOTDIR. */
int store_message(struct store *store, uint64_t ino, struct cache_message_row *ret_message,
		  struct cache_mailbox_row *ret_mailbox);
int store_mailbox(struct store *store, uint64_t ino, struct cache_mailbox_row *ret_mailbox);

struct store_status {
	uint64_t syncs, sync_errors, messages_fetched, bodies_fetched, body_bytes;
	uint64_t readahead_hits, readahead_batches, single_fetches;
	size_t ring_bytes, ring_limit;
	uint64_t skipped_messages; /* listed, but the server's data for them did not parse */
	size_t syncing;            /* mailboxes being synced now */
};
void store_status_get(struct store *store, struct store_status *ret_status);
/* Mailboxes used in this mount: fn per mailbox with the age of its last sync in seconds (-1: never). */
void store_status_mailboxes(struct store *store,
			    void (*fn)(void *user, struct slice utf8, int64_t age_s, bool syncing),
			    void *user);

#endif
