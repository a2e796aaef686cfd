/*
 * Listings that the kernel holds and that are older than `poll` are declared stale, once: the
 * next `ls` then comes to us and asks the server. While nobody looks, nothing is asked.
 *
 * It also sees when the index was damaged and begun anew in the middle of work: then the tree and the
 * mailboxes in use are read from the server again.
 */
#include <errno.h>

#include "store/private.h"
#include "store/thread.h"
#include "util/clock.h"

#define TICK_MAX_MS 1000
#define TICK_MIN_MS 100
#define DUE_MAX 64

static int64_t fresh_since(const struct box *box)
{
	int64_t asked = box->synced_ms > box->tried_ms ? box->synced_ms : box->tried_ms;

	return asked != 0 ? asked : box->shown_ms;
}

/* Boxes that are due; they count as told. store.lock is held. */
static size_t take_due(struct store *store, int64_t now, uint32_t ids[static DUE_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < BOX_BUCKETS && count < DUE_MAX; i++) {
		for (struct box *box = store->boxes[i]; box != NULL && count < DUE_MAX;
		     box = box->next_by_id) {
			if (!box->shown || box->syncing || box->queued ||
			    now - fresh_since(box) <= store->poll_ms)
				continue;
			box->shown = false;
			ids[count++] = box->id;
		}
	}
	return count;
}

/* ---- the index ------------------------------------------------------------------------- */

static void sync_used(struct store *store)
{
	for (size_t i = 0; i < BOX_BUCKETS; i++) {
		struct box *boxes[DUE_MAX];
		size_t count = 0;

		pthread_mutex_lock(&store->lock);
		for (struct box *box = store->boxes[i]; box != NULL && count < DUE_MAX;
		     box = box->next_by_id)
			if (box->used)
				boxes[count++] = box;
		pthread_mutex_unlock(&store->lock);
		for (size_t k = 0; k < count; k++)
			sync_start(store, boxes[k]);
	}
}

/* The lock is not held. */
static void look_after_index(struct store *store)
{
	uint64_t generation = cache_generation(store->cache);
	struct cache_mailbox_row root;

	if (generation != atomic_load(&store->generation)) {
		atomic_store(&store->index_lost, true);
		atomic_store(&store->generation, generation);
		box_forget_all(store);
	}
	if (!atomic_load(&store->index_lost))
		return;
	if (cache_mailbox_get(store->cache, 1, &root) != 0) {
		tree_refresh_start(store);
		return;
	}
	atomic_store(&store->index_lost, false);
	sync_used(store);
}

static void *watch(void *user)
{
	struct store *store = user;
	int64_t tick = store->poll_ms / 4;
	uint32_t ids[DUE_MAX];

	tick = tick < TICK_MIN_MS ? TICK_MIN_MS : tick > TICK_MAX_MS ? TICK_MAX_MS : tick;
	pthread_mutex_lock(&store->lock);
	while (!atomic_load(&store->stopped)) {
		int64_t now = clock_ms();
		size_t count;

		pthread_mutex_unlock(&store->lock);
		look_after_index(store);
		pthread_mutex_lock(&store->lock);
		count = take_due(store, now, ids);

		if (count > 0) {
			pthread_mutex_unlock(&store->lock);
			for (size_t i = 0; i < count; i++)
				tell_listing(store, box_ino(ids[i]));
			pthread_mutex_lock(&store->lock);
		} else if (!atomic_load(&store->stopped)) {
			clock_cond_wait(&store->stopping, &store->lock, now + tick);
		}
	}
	pthread_mutex_unlock(&store->lock);
	return NULL;
}

int watch_start(struct store *store)
{
	int r;

	atomic_store(&store->generation, cache_generation(store->cache));
	r = thread_start(&store->watcher, "watch", watch, store);
	store->watching = r == 0;
	return r;
}

void watch_join(struct store *store)
{
	if (store->watching)
		pthread_join(store->watcher, NULL);
	store->watching = false;
}
