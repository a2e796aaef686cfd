/* What .imapfs/status shows of the store. */
#include <stdlib.h>
#include <string.h>

#include "store/private.h"
#include "util/clock.h"

void store_status_get(struct store *store, struct store_status *ret_status)
{
	struct store_status status = {
		.syncs = atomic_load(&store->count.syncs),
		.sync_errors = atomic_load(&store->count.sync_errors),
		.messages_fetched = atomic_load(&store->count.messages_fetched),
		.bodies_fetched = atomic_load(&store->count.bodies_fetched),
		.body_bytes = atomic_load(&store->count.body_bytes),
		.readahead_hits = atomic_load(&store->count.readahead_hits),
		.readahead_batches = atomic_load(&store->count.readahead_batches),
		.single_fetches = atomic_load(&store->count.single_fetches),
		.skipped_messages = atomic_load(&store->count.skipped_messages),
		.ring_bytes = ring_bytes(store->ring),
		.ring_limit = ring_limit(store->ring),
	};

	pthread_mutex_lock(&store->lock);
	status.syncing = store->syncing;
	pthread_mutex_unlock(&store->lock);
	*ret_status = status;
}

struct used_box {
	uint32_t id;
	int64_t synced_wall_s;
	bool syncing;
};

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = ((const struct used_box *)a)->id, y = ((const struct used_box *)b)->id;

	return (x > y) - (x < y);
}

/* A copy: the callback and the index may take their time. */
static struct used_box *used_boxes(struct store *store, size_t *ret_count)
{
	struct used_box *list = NULL;
	size_t count = 0, size = 0;

	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < BOX_BUCKETS; i++) {
		for (struct box *box = store->boxes[i]; box != NULL; box = box->next_by_id) {
			if (!box->used)
				continue;
			if (count == size) {
				struct used_box *more = realloc(list,
								(size * 2 + 16) * sizeof(*list));

				if (more == NULL)
					continue;
				list = more;
				size = size * 2 + 16;
			}
			list[count++] = (struct used_box){ box->id, box->synced_wall_s,
							   box->syncing };
		}
	}
	pthread_mutex_unlock(&store->lock);
	if (count > 0)
		qsort(list, count, sizeof(*list), compare_ids);
	*ret_count = count;
	return list;
}

void store_status_mailboxes(struct store *store,
			    void (*fn)(void *user, struct slice utf8, int64_t age_s, bool syncing),
			    void *user)
{
	size_t count;
	struct used_box *list = used_boxes(store, &count);
	int64_t now = clock_wall_s();

	for (size_t i = 0; i < count; i++) {
		struct cache_mailbox_row row;

		if (cache_mailbox_get(store->cache, list[i].id, &row) == 0 &&
		    mailbox_selectable(&row.m))
			fn(user, row.m.utf8,
			   list[i].synced_wall_s != 0 ? now - list[i].synced_wall_s : -1,
			   list[i].syncing);
	}
	free(list);
}
