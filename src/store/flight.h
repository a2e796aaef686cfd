/*
 * What is being fetched now, so that however many read the same bytes, one FETCH brings
 * them: a table of (box, uid, chunk), each with those who wait for it. Whoever begins a
 * flight must finish it, exactly once. Beside it, what could not be fetched just now.
 *
 * Threads: any. Nothing is called with the lock held.
 */
#ifndef STORE_FLIGHT_H
#define STORE_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include <imap/types.h>

#include "store/store.h"

struct flights;
struct flight;

int flights_new(struct flights **ret_flights);
void flights_free(struct flights **flights);
/* All waits end with -ECANCELED. */
void flights_stop(struct flights *flights);

/* 0: *ret_flight is the caller's to finish. -EALREADY: somebody has it under way; *ret_flight, when
 * asked for, is a reference to wait with. -ENOMEM. `ahead`: begun by read-ahead, for nobody in
 * particular. */
int flight_begin(struct flights *flights, uint32_t box, imap_uid uid, uint32_t chunk, bool ahead,
		 struct flight **ret_flight);
/* Tells the waiters and gives up the caller's hold. `error` 0 with the body, or -errno. */
void flight_finish(struct flights *flights, struct flight **flight, int error,
		   struct store_body *body);
/* Waits for a flight of -EALREADY and drops the reference: 0 with a reference to the body, the
 * error it ended with, -ETIMEDOUT at the deadline, -ECANCELED. */
int flight_wait(struct flights *flights, struct flight **flight, int64_t deadline_ms,
		struct store_body **ret_body);
bool flight_is_ahead(const struct flight *flight);

/* The kernel repeats a READ that failed, page by page: each would wait for the same silent server
 * again. A failure is remembered for a moment, in a small table, and is the answer until then. */
void flight_failed(struct flights *flights, uint32_t box, imap_uid uid, uint32_t chunk, int error,
		   int64_t until_ms);
/* The error that is remembered, or 0. */
int flight_failure(struct flights *flights, uint32_t box, imap_uid uid, uint32_t chunk,
		   int64_t now_ms);

#endif
