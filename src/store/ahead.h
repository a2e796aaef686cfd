/*
 * Between the two halves of read-ahead: readahead.c decides who is followed (walks, streams, the
 * reader's progress), stream.c is the thread that fetches for one of them.
 */
#ifndef STORE_AHEAD_H
#define STORE_AHEAD_H

#include "store/private.h"

#define STREAMS 2 /* mailboxes that are read ahead at a time, each with a background lease */

struct stream {
	struct ahead *ahead;
	pthread_t thread;
	bool started; /* owner: ahead_new() */
	/* guarded by ahead.lock */
	struct box *box; /* NULL: idle */
	uint32_t number;
	enum walk_order order;
	imap_uid cursor;     /* the last UID that was looked at */
	bool ended;          /* no more behind the cursor */
	bool warm;           /* no walk yet, but likely: only a lease is got ready */
	uint64_t generation; /* moves when it is given another walk */
	int64_t used_ms;     /* when its reader was last heard of */
	int64_t retry_ms;    /* not before: the server failed */
	struct track track;
};

struct ahead {
	struct store *store;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* guarded by lock */
	bool stopped;
	struct stream streams[STREAMS];
};

/* What one batch may hold; see stream.c. */
struct candidate {
	imap_uid uid;
	uint64_t size;
};

/* candidate.c: the next messages of a walk behind *cursor that are worth fetching: not cached, not
 * large, at most `max`, about `bytes` in all (but at least one). Moves *cursor; *ret_ended: the
 * mailbox ends there. 0 or -errno. */
int candidates_find(struct store *store, uint32_t number, enum walk_order order, imap_uid *cursor,
		    size_t max, uint64_t bytes, struct candidate *ret_items, size_t *ret_count,
		    bool *ret_ended);

/* The thread of a stream. */
void *stream_main(void *user);

#endif
