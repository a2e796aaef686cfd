/*
 * Read-ahead as decisions, without network, index or clock: who walks through a mailbox, and how
 * far ahead of them it is worth fetching.
 *
 * A walk is seen from reads: each read is the next of the one before it, in descending or ascending
 * order of UIDs or in the order of names. The track follows a stream that was begun for one: what
 * was asked of the server in which order, how far the reader has come (reads of what was pushed
 * into the page cache never reach us, so marker messages are kept back), and how many bytes may
 * still be asked for.
 */
#ifndef STORE_WALK_H
#define STORE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <imap/types.h>

enum walk_order {
	WALK_NONE = 0,
	WALK_DESCENDING = 1 << 0,
	WALK_ASCENDING = 1 << 1,
	WALK_BY_NAME = 1 << 2,
};

#define WALK_HEADS 4 /* readers told apart in one mailbox */
#define WALK_REACH                                                                                 \
	16           /* how far behind the last read the next one may lie and still be the next   \
		       */
#define WALK_START 2 /* reads in order that begin a stream */

struct walk_head {
	imap_uid uid;    /* read last; 0: unused */
	unsigned orders; /* enum walk_order: what this may be */
	unsigned run;    /* reads in order so far */
	uint64_t used;
};

struct walk {
	struct walk_head heads[WALK_HEADS];
	uint64_t clock;
};

/* Which orders may lead from `from` to `uid`, judged by the index: bits of `candidates` for which
 * it does. */
typedef unsigned walk_next_fn(void *user, imap_uid from, imap_uid uid, unsigned candidates);

/* A read that was a hit: remembered as the place where its reader is, if it is one of ours. */
void walk_hit(struct walk *walk, imap_uid uid);
/* A read that missed. The order in which a stream should be started now, or WALK_NONE. `edge`: it
 * is the first or last message of the mailbox, where walks begin: one read more in order is enough
 * then. */
enum walk_order walk_miss(struct walk *walk, imap_uid uid, bool edge, walk_next_fn *next,
			  void *user);

/* ---- the track of one stream ------------------------------------------------------- */

#define TRACK_MARKER_EVERY 64
#define TRACK_LIMIT_FIRST (2 * 1024u * 1024)
#define TRACK_BATCH_FIRST 64
#define TRACK_BATCH_MAX 256
#define TRACK_GROWTH 8 /* of the limit, at a sign of the reader: each step costs a round trip */

struct track_item {
	imap_uid uid;
	bool marker;
	uint64_t end; /* bytes of the stream up to and with this one */
};

/* Zero is empty; track_release() frees. */
struct track {
	struct track_item *items; /* asked for, not yet known to be read; a ring of `size` */
	size_t first, count, size;
	uint64_t issued, read,
		grown; /* bytes; `read` is what we know of, `grown` where the limit grew last */
	uint64_t limit, limit_max;
	unsigned batch, since_marker;
	bool batch_open; /* the next item is the first of its batch */
};

void track_reset(struct track *track, uint64_t limit_max);
void track_release(struct track *track);
/* How many messages the next batch may have, 0: wait for the reader. Grows from batch to batch. */
size_t track_batch(struct track *track);
/* Bytes that may still be asked for. */
uint64_t track_room(const struct track *track);
/* One message that is asked for now; *ret_marker: keep it back from the page cache. -ENOMEM. */
int track_issue(struct track *track, imap_uid uid, uint64_t size, bool *ret_marker);
/* A read arrived: true when it is of this stream, and then everything before it counts as read. */
bool track_read(struct track *track, imap_uid uid);

#endif
