/* Bodies between network and disk: what is found, what is counted, who waits; and flights, which
 * make one fetch of many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "store/flight.h"
#include "store/ring.h"
#include "util/clock.h"

struct disk {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool shut; /* writing waits */
	atomic_size_t bytes, count;
};

static int disk_write(void *user, const struct cache_body *bodies, size_t count)
{
	struct disk *disk = user;

	pthread_mutex_lock(&disk->lock);
	while (disk->shut)
		pthread_cond_wait(&disk->opened, &disk->lock);
	pthread_mutex_unlock(&disk->lock);
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < bodies[i].len; k++)
			assert_int_equal(((const char *)bodies[i].data)[k], (char)bodies[i].uid);
		atomic_fetch_add(&disk->bytes, bodies[i].len);
	}
	atomic_fetch_add(&disk->count, count);
	return 0;
}

static void disk_shut(struct disk *disk, bool shut)
{
	pthread_mutex_lock(&disk->lock);
	disk->shut = shut;
	pthread_cond_broadcast(&disk->opened);
	pthread_mutex_unlock(&disk->lock);
}

static struct disk disk = { .lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER };

static struct ring *new_ring(size_t limit)
{
	struct ring_params params = { .limit = limit, .write = disk_write, .user = &disk };
	struct ring *ring = NULL;

	atomic_store(&disk.bytes, 0);
	atomic_store(&disk.count, 0);
	disk.shut = false;
	assert_int_equal(ring_new(&params, &ring), 0);
	return ring;
}

static void put(struct ring *ring, imap_uid uid, size_t len)
{
	struct store_body *body = NULL;

	assert_int_equal(ring_alloc(ring, 7, uid, 0, len, true, &body), 0);
	memset(ring_body_data(body), (char)uid, len);
	ring_put(ring, body);
	store_body_put(&body);
	assert_null(body);
}

static void test_found(void **state)
{
	struct ring *ring = new_ring(1 << 20);
	struct store_body *body;

	put(ring, 5, 100);
	body = ring_find(ring, 7, 5, 0);
	assert_non_null(body);
	assert_int_equal(body->len, 100);
	assert_int_equal(body->ino, (uint64_t)7 << 32 | 5);
	assert_null(ring_find(ring, 7, 6, 0));
	assert_null(ring_find(ring, 8, 5, 0));
	assert_null(ring_find(ring, 7, 5, 1));
	put(ring, 5, 50); /* a newer one takes its place, the old one stays good for who has it */
	assert_int_equal(((const char *)body->data)[99], 5);
	store_body_put(&body);
	body = ring_find(ring, 7, 5, 0);
	assert_int_equal(body->len, 50);
	ring_free(&ring); /* and outlives the ring */
	assert_int_equal(((const char *)body->data)[49], 5);
	store_body_put(&body);
	assert_int_equal(atomic_load(&disk.bytes), 150);
}

/* Everything that was put is written, and memory never goes beyond the limit. */
static void test_bounded(void **state)
{
	struct ring *ring = new_ring(256 * 1024);
	size_t total = 0;

	for (imap_uid uid = 1; uid <= 3000; uid++) {
		size_t len = (uid * 37) % 5000;

		put(ring, uid, len);
		total += len;
		assert_in_range(ring_bytes(ring), 0, 256 * 1024);
	}
	ring_free(&ring);
	assert_int_equal(atomic_load(&disk.bytes), total);
	assert_int_equal(atomic_load(&disk.count), 3000);
}

struct waiter {
	struct ring *ring;
	atomic_int result;
};

static void *alloc_patiently(void *user)
{
	struct waiter *waiter = user;
	struct store_body *body = NULL;
	int r = ring_alloc(waiter->ring, 7, 99, 0, 60000, true, &body);

	store_body_put(&body);
	atomic_store(&waiter->result, r);
	return NULL;
}

static void wait_for(const atomic_int *value, int not_this)
{
	int64_t deadline = clock_ms() + 10000;

	while (atomic_load(value) == not_this && clock_ms() < deadline)
		usleep(1000);
}

static void test_full(void **state)
{
	struct ring *ring = new_ring(100 * 1000);
	struct waiter waiter = { .ring = ring, .result = 1 };
	struct store_body *body = NULL;
	pthread_t thread;

	disk_shut(&disk, true);
	put(ring, 1, 60000);
	assert_int_equal(pthread_create(&thread, NULL, alloc_patiently, &waiter), 0);
	usleep(50000);
	assert_int_equal(atomic_load(&waiter.result), 1); /* the disk is slow: it waits */
	assert_int_equal(ring_alloc(ring, 7, 2, 0, 60000, false, &body),
			 0); /* who must not, does not */
	store_body_put(&body);
	disk_shut(&disk, false);
	wait_for(&waiter.result, 1);
	assert_int_equal(atomic_load(&waiter.result), 0);
	pthread_join(thread, NULL);

	disk_shut(&disk, true);
	put(ring, 3, 60000);
	atomic_store(&waiter.result, 1);
	assert_int_equal(pthread_create(&thread, NULL, alloc_patiently, &waiter), 0);
	usleep(20000);
	ring_stop(ring);
	wait_for(&waiter.result, 1);
	assert_int_equal(atomic_load(&waiter.result), -ECANCELED);
	pthread_join(thread, NULL);
	disk_shut(&disk, false);
	ring_free(&ring);
}

static void test_renamed(void **state)
{
	struct ring *ring = new_ring(1 << 20);
	struct store_body *body = NULL;

	assert_int_equal(ring_alloc(ring, 7, 0, 0, 10, true, &body), 0);
	memset(ring_body_data(body), 9, 10);
	ring_body_rename(body, 9);
	ring_put(ring, body);
	store_body_put(&body);
	body = ring_find(ring, 7, 9, 0);
	assert_non_null(body);
	assert_int_equal(body->ino, (uint64_t)7 << 32 | 9);
	store_body_put(&body);
	ring_free(&ring);
}

/* ---- flights ----------------------------------------------------------------------- */

struct passenger {
	struct flights *flights;
	pthread_barrier_t *barrier;
	struct ring *ring;
	atomic_int *fetches;
	int result;
	size_t len;
};

static void *fly(void *user)
{
	struct passenger *p = user;
	struct flight *flight;
	struct store_body *body = NULL;

	pthread_barrier_wait(p->barrier);
	p->result = flight_begin(p->flights, 7, 5, 0, false, &flight);
	if (p->result == -EALREADY) {
		p->result = flight_wait(p->flights, &flight, clock_ms() + 10000, &body);
	} else if (p->result == 0) {
		atomic_fetch_add(p->fetches, 1);
		usleep(30000);
		assert_int_equal(ring_alloc(p->ring, 7, 5, 0, 77, true, &body), 0);
		flight_finish(p->flights, &flight, 0, body);
	}
	p->len = body != NULL ? body->len : 0;
	store_body_put(&body);
	return NULL;
}

static void test_single_flight(void **state)
{
	struct ring *ring = new_ring(1 << 20);
	struct flights *flights = NULL;
	struct passenger passengers[8];
	pthread_t threads[8];
	pthread_barrier_t barrier;
	atomic_int fetches = 0;

	assert_int_equal(flights_new(&flights), 0);
	pthread_barrier_init(&barrier, NULL, 8);
	for (int i = 0; i < 8; i++) {
		passengers[i] = (struct passenger){ flights, &barrier, ring, &fetches, 1, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, fly, &passengers[i]), 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(passengers[i].result, 0);
		assert_int_equal(passengers[i].len, 77);
	}
	assert_int_equal(fetches, 1);
	pthread_barrier_destroy(&barrier);
	flights_free(&flights);
	ring_free(&ring);
}

static void test_failures(void **state)
{
	struct flights *flights = NULL;

	assert_int_equal(flights_new(&flights), 0);
	assert_int_equal(flight_failure(flights, 7, 5, 0, 1000), 0);
	flight_failed(flights, 7, 5, 0, -EIO, 2500);
	assert_int_equal(flight_failure(flights, 7, 5, 0, 1000), -EIO);
	assert_int_equal(flight_failure(flights, 7, 5, 0, 2499), -EIO);
	assert_int_equal(flight_failure(flights, 7, 5, 0, 2500), 0);
	/* Of that chunk of that message, and of no other. */
	assert_int_equal(flight_failure(flights, 7, 5, 1, 1000), 0);
	assert_int_equal(flight_failure(flights, 7, 6, 0, 1000), 0);
	assert_int_equal(flight_failure(flights, 8, 5, 0, 1000), 0);
	/* However many fail, each is right or forgotten. */
	for (imap_uid uid = 1; uid <= 10000; uid++)
		flight_failed(flights, 7, uid, 0, uid % 2 ? -EIO : -EACCES, 5000);
	for (imap_uid uid = 1; uid <= 10000; uid++) {
		int error = flight_failure(flights, 7, uid, 0, 3000);

		assert_true(error == 0 || error == (uid % 2 ? -EIO : -EACCES));
	}
	assert_int_equal(flight_failure(flights, 7, 10000, 0, 3000), -EACCES);
	flights_free(&flights);
}

static void test_flight_ends(void **state)
{
	struct flights *flights = NULL;
	struct flight *mine, *other;
	struct store_body *body = NULL;

	assert_int_equal(flights_new(&flights), 0);
	assert_int_equal(flight_begin(flights, 1, 2, 3, true, &mine), 0);
	assert_int_equal(flight_begin(flights, 1, 2, 3, true, &other),
			 -EALREADY); /* read-ahead wants no reference */
	assert_int_equal(flight_begin(flights, 1, 2, 3, false, &other), -EALREADY);
	assert_true(flight_is_ahead(other));
	assert_int_equal(flight_wait(flights, &other, clock_ms() + 20, &body), -ETIMEDOUT);
	assert_int_equal(flight_begin(flights, 1, 2, 3, false, &other), -EALREADY);
	flight_finish(flights, &mine, -EIO, NULL);
	assert_int_equal(flight_wait(flights, &other, clock_ms() + 20, &body), -EIO);
	assert_int_equal(flight_begin(flights, 1, 2, 3, false, &mine),
			 0); /* the table is free again */
	assert_int_equal(flight_begin(flights, 1, 2, 3, false, &other), -EALREADY);
	flights_stop(flights);
	assert_int_equal(flight_wait(flights, &other, INT64_MAX, &body), -ECANCELED);
	flight_finish(flights, &mine, 0, NULL);
	flights_free(&flights);
	assert_null(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),         cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_full),          cmocka_unit_test(test_renamed),
		cmocka_unit_test(test_single_flight), cmocka_unit_test(test_flight_ends),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
