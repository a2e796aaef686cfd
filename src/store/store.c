/* The life of a store, and the events it sends. */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/private.h"
#include "util/clock.h"
#include "util/log.h"

#define RING_DEFAULT (32u * 1024 * 1024)
#define RING_LEAST (8u * 1024 * 1024) /* a chunk a connection, and some to move in */
#define SYNC_THREADS 3
#define FETCH_THREADS 2
#define QUEUE_MAX 4096

/* ---- events ------------------------------------------------------------------------ */

/* False after store_stop(): whom we would tell may be gone. */
static bool tell_begin(struct store *store)
{
	pthread_rwlock_rdlock(&store->telling);
	if (!atomic_load(&store->stopped))
		return true;
	pthread_rwlock_unlock(&store->telling);
	return false;
}

static void tell_end(struct store *store)
{
	pthread_rwlock_unlock(&store->telling);
}

void tell_listing(struct store *store, uint64_t dir)
{
	if (store->events.listing_changed == NULL || !tell_begin(store))
		return;
	store->events.listing_changed(store->events_user, dir);
	tell_end(store);
}

void tell_added(struct store *store, uint64_t dir, struct slice name)
{
	if (store->events.entry_added == NULL || !tell_begin(store))
		return;
	store->events.entry_added(store->events_user, dir, name);
	tell_end(store);
}

void tell_removed(struct store *store, uint64_t dir, struct slice name, uint64_t ino)
{
	if (store->events.entry_removed == NULL || !tell_begin(store))
		return;
	store->events.entry_removed(store->events_user, dir, name, ino);
	tell_end(store);
}

void tell_attr(struct store *store, uint64_t ino)
{
	if (store->events.attr_changed == NULL || !tell_begin(store))
		return;
	store->events.attr_changed(store->events_user, ino);
	tell_end(store);
}

void tell_body(struct store *store, struct store_body *body)
{
	if (store->events.body_arrived == NULL || !tell_begin(store))
		return;
	store->events.body_arrived(store->events_user, body);
	tell_end(store);
}

/* ---- the tree at the start ----------------------------------------------------------- */

static int seen_child(void *user, const struct cache_mailbox *mailbox)
{
	*(bool *)user = true;
	return 1;
}

/* The index has a tree, of this root. */
static bool tree_usable(struct store *store)
{
	struct cache_mailbox_row row;
	bool child = false;

	if (cache_mailbox_get(store->cache, 1, &row) != 0)
		return false;
	if (store->root_mailbox == NULL) {
		if (row.m.wire.len > 0)
			return false;
		cache_mailbox_children(store->cache, 1, 0, 1, seen_child, &child);
		return child;
	}
	if (row.m.wire.len == 0)
		return false;
	if (row.m.utf8.len != strlen(store->root_mailbox))
		return false;
	for (size_t i = 0; i < row.m.utf8.len; i++) {
		char want = store->root_mailbox[i], have = row.m.utf8.ptr[i];

		if (want != have && !(want == '/' && have == row.m.delimiter))
			return false;
	}
	return true;
}

static int make_tree_known(struct store *store, char **ret_error)
{
	if (!tree_usable(store))
		return tree_refresh(store, ret_error);
	tree_refresh_start(store);
	return 0;
}

/* ---- life ------------------------------------------------------------------------------- */

static int write_bodies(void *user, const struct cache_body *bodies, size_t count)
{
	struct store *store = user;

	return cache_body_put(store->cache, bodies, count);
}

static int make_parts(struct store *store, const struct store_params *params)
{
	size_t limit = params->ring_bytes != 0 ? params->ring_bytes : RING_DEFAULT;
	struct ring_params ring = { .limit = limit < RING_LEAST ? RING_LEAST : limit,
				    .write = write_bodies,
				    .user = store };
	int r = ring_new(&ring, &store->ring);

	if (r == 0)
		r = flights_new(&store->flights);
	if (r == 0)
		r = windows_new(store, &store->windows);
	if (r == 0)
		r = pool_new("sync", SYNC_THREADS, QUEUE_MAX, &store->pool);
	if (r == 0)
		r = pool_new("fetch", FETCH_THREADS, QUEUE_MAX, &store->fetchers);
	if (r == 0)
		r = ahead_new(store, &store->ahead);
	return r;
}

static int store_new(const struct store_params *params, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof(*store));
	int r = -ENOMEM;

	if (store == NULL)
		return -ENOMEM;
	store->session = params->session;
	store->cache = params->cache;
	store->names = params->names;
	store->subscribed = params->subscribed;
	store->poll_ms = (int64_t)params->poll_s * 1000;
	store->timeout_ms = params->timeout_ms;
	if (params->events != NULL)
		store->events = *params->events;
	store->events_user = params->events_user;
	store->opened_wall_s = clock_wall_s();
	pthread_mutex_init(&store->lock, NULL);
	pthread_rwlock_init(&store->telling, NULL);
	if (clock_cond_init(&store->changed) != 0 || clock_cond_init(&store->stopping) != 0) {
		free(store);
		return -ENOMEM;
	}
	if (params->root_mailbox != NULL &&
	    (store->root_mailbox = strdup(params->root_mailbox)) == NULL)
		goto failed;
	r = make_parts(store, params);
	if (r != 0)
		goto failed;
	*ret_store = store;
	return 0;
failed:
	store_close(&store);
	return r;
}

int store_open(const struct store_params *params, struct store **ret_store, char **ret_error)
{
	struct store *store = NULL;
	char *error = NULL;
	int r = store_new(params, &store);

	if (r == 0)
		r = make_tree_known(store, &error);
	if (r == 0)
		r = watch_start(store);
	if (r == 0) {
		*ret_store = store;
		return 0;
	}
	if (error == NULL && asprintf(&error, "cannot start: %s", strerror(-r)) < 0)
		error = NULL;
	if (store != NULL)
		store_stop(store);
	store_close(&store);
	if (ret_error != NULL)
		*ret_error = error;
	else
		free(error);
	return r;
}

void store_stop(struct store *store)
{
	/* With the lock alone: no event is under way, and none comes any more. */
	pthread_rwlock_wrlock(&store->telling);
	atomic_store(&store->stopped, true);
	pthread_rwlock_unlock(&store->telling);
	pthread_mutex_lock(&store->lock);
	pthread_cond_broadcast(&store->changed);
	pthread_cond_broadcast(&store->stopping);
	pthread_mutex_unlock(&store->lock);
	flights_stop(store->flights);
	ring_stop(store->ring);
	ahead_stop(store->ahead);
}

void store_close(struct store **store_at)
{
	struct store *store = *store_at;

	if (store == NULL)
		return;
	*store_at = NULL;
	atomic_store(&store->stopped, true);
	watch_join(store);
	pool_free(&store->pool);
	pool_free(&store->fetchers);
	ahead_free(&store->ahead);
	ring_free(&store->ring); /* the last bodies go to the disk */
	windows_free(&store->windows);
	flights_free(&store->flights);
	box_free_all(store);
	pthread_cond_destroy(&store->changed);
	pthread_cond_destroy(&store->stopping);
	pthread_mutex_destroy(&store->lock);
	pthread_rwlock_destroy(&store->telling);
	free(store->root_mailbox);
	free(store);
}
