/*
 * Takes in the bodies of FETCH responses as they stream: straight into chunks of the ring, one
 * copy. Never believes more than it must: the literal's length is the truth about the size, and
 * bytes belong to the UID that the server says, not to the one that was asked for.
 *
 * One owner thread, that of the connection.
 */
#ifndef STORE_SINK_H
#define STORE_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include <imap/event.h>

#include "store/store.h"

#define SINK_HELD_MAX 8 /* chunks whose UID the server has not said yet */

struct store;

struct sink {
	struct store *store;
	uint32_t number; /* the box */
	bool patient;    /* waits for room in the ring, also for the first chunk of a body */
	bool (*wants)(void *user, imap_uid uid);
	/* A chunk is complete: put it where readers find it. The caller's reference stays the
	 * sink's. */
	void (*chunk)(void *user, struct store_body *body);
	/* All that was sent of `uid` is in; `end` is where it ended, and `proven` that the message
	 * ends there. */
	void (*end)(void *user, imap_uid uid, uint64_t end, bool proven);
	void *user;

	/* owner thread */
	bool active;       /* inside a literal that is wanted, or may be */
	imap_uid uid;      /* 0: not said yet */
	uint64_t position; /* in the message, of the next byte */
	uint64_t begun;    /* where the literal began */
	uint64_t left;     /* of the literal */
	bool whole;
	struct store_body *current;
	size_t filled;
	struct store_body *held[SINK_HELD_MAX];
	size_t held_count;
	bool held_literal; /* a literal without UID ended: the FETCH event says whose it is */
	bool strange;      /* a body came that nobody asked for */
	int error;
};

/* The `event` of a request; user is the sink. */
bool sink_event(void *user, const struct imap_event *event);
void sink_release(struct sink *sink);

#endif
