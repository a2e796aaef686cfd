/*
 * Events as text, so that tests can write down what they expect and compare what
 * two ways of feeding gave. BODY_DATA pieces are joined: cuts must not show.
 */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include <imap/event.h>

#include "util/buf.h"

struct transcript {
	struct buf text; /* one line an event */
	size_t events;
	uint64_t body_bytes;
	int result;        /* 0, or the parser's error */
	imap_uid body_uid; /* of the last BODY_BEGIN */
	int uid_conflict;  /* a FETCH named another UID than its BODY_BEGIN: never to happen */
};

void transcript_init(struct transcript *transcript);
void transcript_release(struct transcript *transcript);

/* An imap_event_fn; `user` is a struct transcript. */
int transcript_event(void *user, const struct imap_event *event);

/* How bytes are cut: whole (0), or into pieces of at most this many bytes, of random sizes when
 * `seed` is not 0. With `exact` each piece lives in a heap block of just its size. */
struct transcript_cut {
	const char *name;
	size_t piece;
	uint32_t seed;
	int exact;
};

extern const struct transcript_cut transcript_cuts[];
extern const size_t transcript_cut_count;

/* Feeds a new parser; sets text and result. */
void transcript_feed(struct transcript *transcript, const void *data, size_t len,
		     const struct transcript_cut *cut);

#endif
