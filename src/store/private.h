/*
 * What the files of the store share; nobody outside includes it.
 *
 * Locks, all leaves (none is taken while another is held, none is held over the index, the
 * network, an event or a wait for anything but its own condition):
 *   store.lock   boxes, tree and sync states; `changed` is told of every step of a sync
 *   ahead.lock   walks and streams (readahead.c)
 *   ring, flights, windows: their own
 * One exception: events run under store.telling, shared, which store_stop() takes alone, so that
 * none comes after it. Struct boxes live until store_close(), so pointers to them stay good without
 * a lock.
 */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/flight.h"
#include "store/msgname.h"
#include "store/ring.h"
#include "store/store.h"
#include "store/walk.h"
#include "util/pool.h"

#define INO_SHIFT 32
#define BOX_BUCKETS 1024u

/* One mailbox in use in this mount. */
struct box {
	uint32_t id; /* the directory */
	/* guarded by store.lock */
	struct box *next_by_id;
	uint32_t number; /* cache_mailbox.box, 0: not known yet */
	uint32_t uidvalidity;
	bool used; /* somebody listed it or looked into it */
	bool queued, syncing;
	bool uids_ready;    /* the sync that runs has made the list of UIDs right */
	int sync_error;     /* of the last sync that ended; 0 */
	uint64_t syncs;     /* how many ended */
	uint64_t uid_lists; /* how often the list of UIDs became right */
	int64_t began_ms;   /* the sync that runs or ran last */
	int64_t synced_ms;  /* the last that succeeded, 0: none in this mount */
	int64_t tried_ms;   /* the last that ended */
	int64_t synced_wall_s;
	bool shown;       /* the kernel may hold a listing */
	int64_t shown_ms; /* since when */
	/* owner: the sync that runs */
	bool names_checked;     /* readable names: no row without a name is left from names=uid */
	struct imap_set untold; /* new messages that the kernel may remember as missing */
	/* guarded by ahead.lock */
	struct walk walk;
	/* Whether a child mailbox is called like a message: 0 not known, 1 no, 2 yes. */
	atomic_int eml_children;
};

struct ahead;   /* readahead.c */
struct windows; /* window.c */

struct store {
	struct session *session;
	struct cache *cache;
	enum store_names names;
	char *root_mailbox; /* or NULL */
	bool subscribed;
	int64_t poll_ms;
	int64_t timeout_ms;
	struct store_events events;
	void *events_user;
	pthread_rwlock_t telling;
	int64_t opened_wall_s;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_cond_t stopping;
	/* guarded by lock */
	struct box *boxes[BOX_BUCKETS];
	struct box *recent_box; /* the last that box_by_number() found */
	bool tree_busy;
	uint64_t tree_rounds;
	int64_t tree_ms;       /* last refresh that succeeded, 0: none */
	int64_t tree_tried_ms; /* last that ended */
	size_t syncing;
	uint64_t steps; /* of all syncs and refreshes */

	atomic_bool stopped;
	/* A message that is there has another size than announced: so it is with this server, and
	 * no sign that a message is gone. */
	atomic_bool sizes_lie;
	struct pool *pool;     /* syncs and tree refreshes */
	struct pool *fetchers; /* windows of large messages */
	struct ring *ring;
	struct flights *flights;
	struct ahead *ahead;
	struct windows *windows;
	pthread_t watcher;
	bool watching;
	atomic_uint_fast64_t generation; /* of the index, as last seen by the watch thread */
	atomic_bool index_lost;          /* begun anew since, and not filled again yet */

	struct {
		atomic_uint_fast64_t syncs, sync_errors, messages_fetched, bodies_fetched,
			body_bytes, readahead_hits, readahead_batches, single_fetches,
			skipped_messages;
	} count;
};

/* ---- box.c: which mailbox ------------------------------------------------------------- */

/* The struct of a mailbox, made when new; NULL when out of memory. */
struct box *box_get(struct store *store, uint32_t id);
/* By the number in a message's inode. -ENOENT. */
int box_by_number(struct store *store, uint32_t number, struct box **ret_box);
void box_set_number(struct store *store, struct box *box, uint32_t number, uint32_t uidvalidity);
/* The number from the index, where no sync has told it yet. */
void box_learn(struct store *store, struct box *box, const struct cache_mailbox *mailbox);
uint32_t box_uidvalidity(struct store *store, const struct box *box);
void box_free_all(struct store *store);
static inline uint64_t box_ino(uint32_t id)
{
	return id == 1 ? STORE_ROOT : (uint64_t)id << INO_SHIFT;
}
/* The mailbox behind a directory's inode. -ENOENT, -ENOTDIR. */
int box_row_of_dir(struct store *store, uint64_t dir, struct cache_mailbox_row *ret_row);
bool mailbox_selectable(const struct cache_mailbox *mailbox);
/* What is missing in an index that was just begun anew is not missing on the server. */
int box_missing(struct store *store, int r);
/* Everything has to be asked for again. */
void box_forget_all(struct store *store);

/* ---- attr.c ----------------------------------------------------------------------------- */

void mailbox_attr(struct store *store, const struct cache_mailbox *mailbox,
		  struct store_attr *ret_attr);
void message_attr(const struct cache_message *message, uint32_t uidvalidity,
		  struct store_attr *ret_attr);
static inline uint64_t message_ino(const struct cache_message *message)
{
	return message->ino != 0 ? message->ino
				 : (uint64_t)message->box << INO_SHIFT | message->uid;
}
/* The name as shown; the length. Reads the index where a child mailbox may be called like a
 * message. */
size_t message_name(struct store *store, struct box *box, const struct cache_message *message,
		    char name[static MSGNAME_SIZE]);
/* The same without `avoid`, for row callbacks (which may not read the index): see eml_names_load().
 */
size_t message_plain_name(struct store *store, const struct cache_message *message,
			  char name[static MSGNAME_SIZE]);

/* The row says what the message is called: names=uid leaves rows without readable names. */
static inline bool message_named(const struct store *store, const struct cache_message *message)
{
	return store->names == STORE_NAMES_UID || message->name.len > 0;
}

/* Names of child mailboxes that end in ".eml": nearly always none. */
struct eml_names {
	char *text; /* NUL-terminated, one behind the other */
	size_t len;
};
int eml_names_load(struct store *store, struct box *box, struct eml_names *ret_names);
void eml_names_release(struct eml_names *names);
bool eml_names_have(const struct eml_names *names, struct slice name);

/* ---- tree.c --------------------------------------------------------------------------- */

/* Lists the account and makes the index like it, with events. Only one at a time: see
 * tree_refresh_start(). */
int tree_refresh(struct store *store, char **ret_error);
/* treeapply.c */
struct tree;
int tree_apply(struct store *store, struct tree *tree);
/* In the background, unless one runs. */
void tree_refresh_start(struct store *store);
/* Refreshes when older than `poll` and waits for it a little. -EAGAIN (NOWAIT) when it would be
 * due. */
int tree_freshen(struct store *store, enum store_mode mode);

/* ---- sync.c ------------------------------------------------------------------------------ */

/* Queues a sync of the mailbox unless one is under way. */
int sync_start(struct store *store, struct box *box);
/* Starts one and waits until the list of UIDs is right (not for attributes). 0 or the sync's error.
 */
int sync_wait_uids(struct store *store, struct box *box);
/* Tells everybody who waits that a sync came further. */
void sync_progress(struct store *store);
/* Starts one in the background, unless one was tried a moment ago: the index may be behind. */
void sync_hint(struct store *store, struct box *box, int64_t not_within_ms);
#define SYNC_RETRY_MS 5000

#define CLOCK_NEVER INT64_MAX

/* Where the syncs of a mailbox are, and a wait until any sync has moved since. Looking first and
 * reading the index then, no step is missed. */
struct sync_mark {
	uint64_t steps, syncs, uid_lists;
	uint32_t number;
	bool busy, uids_ready;
	int error; /* of the sync that ended last */
	int64_t began_ms, synced_ms, tried_ms;
};
void sync_look(struct store *store, struct box *box, struct sync_mark *ret_mark);
/* 0, -ETIMEDOUT, -ECANCELED. */
int sync_wait_step(struct store *store, const struct sync_mark *mark, int64_t deadline_ms);

struct sync {
	struct store *store;
	struct box *box;
	struct cache_mailbox_row row;
	uint32_t number; /* the box of the messages */
	struct imap_selected selected;
	bool first; /* the UIDs were not known before: nobody has seen anything */
	bool changed;
};
/* syncattr.c: fetches what the index lacks of the messages, newest first, and `again` a second
 * time. */
/* A mailbox without rows: its UIDs, and in the same round trip the attributes of the newest. */
int sync_first_uids(struct sync *sync, struct lease *lease);
int sync_attributes(struct sync *sync, struct lease *lease, const struct imap_set *again);
/* syncflags.c: the resync. New and vanished UIDs, changed flags. */
int sync_flags(struct sync *sync, struct lease *lease, struct imap_set *ret_new);
/* Drops messages that are gone, telling the kernel each name. */
int sync_remove(struct sync *sync, const struct imap_set *gone);
/* All names of a box that is about to be forgotten. */
void sync_tell_all_removed(struct sync *sync, uint32_t number);
void sync_tell_added(struct sync *sync, const struct imap_set *added);

/* ---- fetcher.c ----------------------------------------------------------------------------- */

/* Gets chunk `chunk` of a message from the server, for a reader that waits: 0 with a reference to
 * the body (NULL: the message ends before it), -EAGAIN: it is on the disk by now, or -errno. Never
 * twice at the same time for the same chunk. */
int fetch_chunk(struct store *store, struct box *box, uint32_t number, imap_uid uid, uint32_t chunk,
		struct store_body **ret_body);
/* The size a message turned out to have. `tell`: nobody is reading it, the kernel must hear. */
void fetch_size_proven(struct store *store, struct box *box, uint32_t number, imap_uid uid,
		       uint64_t size, bool tell);
/* Makes sure that the examined mailbox is the one whose messages the index knows as `number`: else
 * no byte of it may be taken. 0, -ESTALE (a sync was started), or a final error. */
int fetch_check_lease(struct store *store, struct box *box, uint32_t number, struct lease *lease);
/* The chunk is here with all its bytes: a message that ends before the next one ends there. */
bool fetch_chunk_full(struct store *store, uint32_t number, imap_uid uid, uint32_t chunk);
/* The server has it no more: out of the index, with events. */
void fetch_vanished(struct store *store, struct box *box, uint32_t number, imap_uid uid);

/* ---- window.c -------------------------------------------------------------------------------- */

int windows_new(struct store *store, struct windows **ret_windows);
void windows_free(struct windows **windows);
/* A read in chunk `chunk` of a message of several: fetches ahead of a sequential reader. Does not
 * block. */
void windows_read(struct store *store, struct box *box, uint32_t number, imap_uid uid,
		  uint32_t chunk);

/* ---- readahead.c -------------------------------------------------------------------------------
 */

int ahead_new(struct store *store, struct ahead **ret_ahead);
void ahead_stop(struct ahead *ahead);
void ahead_free(struct ahead **ahead);
/* A read that memory or disk answered. Cheap. */
/* The mailbox is likely to be read soon: a stream that has nothing to do gets a lease ready. */
void ahead_warm(struct store *store, struct box *box, uint32_t number);
void ahead_hit(struct store *store, struct box *box, imap_uid uid);
/* A read that the server must answer; may read the index. */
void ahead_miss(struct store *store, struct box *box, uint32_t number, imap_uid uid);

/* ---- watch.c
 * ------------------------------------------------------------------------------------- */

int watch_start(struct store *store);
void watch_join(struct store *store);

/* ---- events
 * -------------------------------------------------------------------------------------- */

void tell_listing(struct store *store, uint64_t dir);
void tell_added(struct store *store, uint64_t dir, struct slice name);
void tell_removed(struct store *store, uint64_t dir, struct slice name, uint64_t ino);
void tell_attr(struct store *store, uint64_t ino);
void tell_body(struct store *store, struct store_body *body);

#endif
