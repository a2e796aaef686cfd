/* The table of flight.h. One condition serves all: few wait, and only they are woken. */
#include "store/flight.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "util/clock.h"

#define FLIGHT_BUCKETS 4096u
#define FAILURES 64u /* remembered; a newer one takes the place of an older one */

struct flight {
	uint32_t box, chunk;
	imap_uid uid;
	bool ahead;
	/* guarded by flights.lock */
	unsigned refs;
	bool done;
	int error;
	struct store_body *body;
	struct flight *next;
};

struct failure {
	uint32_t box, chunk;
	imap_uid uid;
	int error; /* 0: none */
	int64_t until_ms;
};

struct flights {
	pthread_mutex_t lock;
	pthread_cond_t landed;
	/* guarded by lock */
	struct flight *buckets[FLIGHT_BUCKETS];
	struct failure failures[FAILURES];
	bool stopped;
};

static uint32_t hash_of(uint32_t box, imap_uid uid, uint32_t chunk)
{
	return uid * 2654435761u ^ box * 40503u ^ chunk * 97u;
}

static struct flight **bucket_of(struct flights *flights, uint32_t box, imap_uid uid,
				 uint32_t chunk)
{
	return &flights->buckets[hash_of(box, uid, chunk) % FLIGHT_BUCKETS];
}

int flights_new(struct flights **ret_flights)
{
	struct flights *flights = calloc(1, sizeof(*flights));
	int r;

	if (flights == NULL)
		return -ENOMEM;
	r = clock_cond_init(&flights->landed);
	if (r != 0) {
		free(flights);
		return r;
	}
	pthread_mutex_init(&flights->lock, NULL);
	*ret_flights = flights;
	return 0;
}

void flights_free(struct flights **flights)
{
	if (*flights == NULL)
		return;
	pthread_cond_destroy(&(*flights)->landed);
	pthread_mutex_destroy(&(*flights)->lock);
	free(*flights);
	*flights = NULL;
}

void flights_stop(struct flights *flights)
{
	pthread_mutex_lock(&flights->lock);
	flights->stopped = true;
	pthread_cond_broadcast(&flights->landed);
	pthread_mutex_unlock(&flights->lock);
}

int flight_begin(struct flights *flights, uint32_t box, imap_uid uid, uint32_t chunk, bool ahead,
		 struct flight **ret_flight)
{
	struct flight **at = bucket_of(flights, box, uid, chunk), *flight;
	int r = 0;

	pthread_mutex_lock(&flights->lock);
	for (flight = *at; flight != NULL; flight = flight->next)
		if (flight->uid == uid && flight->box == box && flight->chunk == chunk)
			break;
	if (flight != NULL) {
		r = -EALREADY;
		if (!ahead) {
			flight->refs++;
			*ret_flight = flight;
		}
	} else {
		flight = calloc(1, sizeof(*flight));
		if (flight == NULL) {
			r = -ENOMEM;
		} else {
			*flight = (struct flight){ .box = box,
						   .uid = uid,
						   .chunk = chunk,
						   .ahead = ahead,
						   .refs = 1,
						   .next = *at };
			*at = flight;
			*ret_flight = flight;
		}
	}
	pthread_mutex_unlock(&flights->lock);
	return r;
}

/* The last reference may hold the last one of a body: both go outside the lock. */
static void flight_put(struct flights *flights, struct flight *flight)
{
	bool last;

	pthread_mutex_lock(&flights->lock);
	last = --flight->refs == 0;
	pthread_mutex_unlock(&flights->lock);
	if (!last)
		return;
	store_body_put(&flight->body);
	free(flight);
}

void flight_finish(struct flights *flights, struct flight **flight_at, int error,
		   struct store_body *body)
{
	struct flight *flight = *flight_at, **at;

	*flight_at = NULL;
	at = bucket_of(flights, flight->box, flight->uid, flight->chunk);
	pthread_mutex_lock(&flights->lock);
	while (*at != flight)
		at = &(*at)->next;
	*at = flight->next;
	flight->done = true;
	flight->error = error;
	if (body != NULL && flight->refs > 1)
		flight->body = store_body_get(body);
	if (flight->refs > 1)
		pthread_cond_broadcast(&flights->landed);
	pthread_mutex_unlock(&flights->lock);
	flight_put(flights, flight);
}

int flight_wait(struct flights *flights, struct flight **flight_at, int64_t deadline_ms,
		struct store_body **ret_body)
{
	struct flight *flight = *flight_at;
	int r = 0;

	*flight_at = NULL;
	pthread_mutex_lock(&flights->lock);
	while (!flight->done && !flights->stopped && r == 0)
		r = clock_cond_wait(&flights->landed, &flights->lock, deadline_ms);
	if (flight->done) {
		r = flight->error;
		if (r == 0)
			*ret_body = flight->body != NULL ? store_body_get(flight->body) : NULL;
	} else if (flights->stopped) {
		r = -ECANCELED;
	}
	pthread_mutex_unlock(&flights->lock);
	flight_put(flights, flight);
	return r;
}

bool flight_is_ahead(const struct flight *flight)
{
	return flight->ahead;
}

/* ---- failures ---------------------------------------------------------------------------- */

static struct failure *failure_of(struct flights *flights, uint32_t box, imap_uid uid,
				  uint32_t chunk)
{
	return &flights->failures[hash_of(box, uid, chunk) % FAILURES];
}

void flight_failed(struct flights *flights, uint32_t box, imap_uid uid, uint32_t chunk, int error,
		   int64_t until_ms)
{
	pthread_mutex_lock(&flights->lock);
	*failure_of(flights, box, uid, chunk) = (struct failure){
		.box = box, .chunk = chunk, .uid = uid, .error = error, .until_ms = until_ms
	};
	pthread_mutex_unlock(&flights->lock);
}

int flight_failure(struct flights *flights, uint32_t box, imap_uid uid, uint32_t chunk,
		   int64_t now_ms)
{
	const struct failure *failure = failure_of(flights, box, uid, chunk);
	int error = 0;

	pthread_mutex_lock(&flights->lock);
	if (failure->uid == uid && failure->box == box && failure->chunk == chunk &&
	    now_ms < failure->until_ms)
		error = failure->error;
	pthread_mutex_unlock(&flights->lock);
	return error;
}
