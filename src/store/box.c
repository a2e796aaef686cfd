/* The mailboxes in use in this mount: what the index does not keep, found by directory or
 * by the number in a message's inode. */
#include <errno.h>
#include <stdlib.h>

#include "store/private.h"

static struct box **bucket_of(struct store *store, uint32_t id)
{
	return &store->boxes[id % BOX_BUCKETS];
}

static struct box *box_find(struct store *store, uint32_t id)
{
	struct box *box = *bucket_of(store, id);

	while (box != NULL && box->id != id)
		box = box->next_by_id;
	return box;
}

struct box *box_get(struct store *store, uint32_t id)
{
	struct box *box;

	pthread_mutex_lock(&store->lock);
	box = box_find(store, id);
	if (box == NULL) {
		box = calloc(1, sizeof(*box));
		if (box != NULL) {
			struct box **at = bucket_of(store, id);

			box->id = id;
			box->next_by_id = *at;
			*at = box;
		}
	}
	pthread_mutex_unlock(&store->lock);
	return box;
}

void box_set_number(struct store *store, struct box *box, uint32_t number, uint32_t uidvalidity)
{
	pthread_mutex_lock(&store->lock);
	box->number = number;
	box->uidvalidity = uidvalidity;
	if (store->recent_box == box)
		store->recent_box = NULL;
	pthread_mutex_unlock(&store->lock);
}

void box_learn(struct store *store, struct box *box, const struct cache_mailbox *mailbox)
{
	pthread_mutex_lock(&store->lock);
	if (box->number == 0) {
		box->number = mailbox->box;
		box->uidvalidity = mailbox->uidvalidity;
	}
	box->used = true;
	pthread_mutex_unlock(&store->lock);
}

uint32_t box_uidvalidity(struct store *store, const struct box *box)
{
	uint32_t uidvalidity;

	pthread_mutex_lock(&store->lock);
	uidvalidity = box->uidvalidity;
	pthread_mutex_unlock(&store->lock);
	return uidvalidity;
}

int box_by_number(struct store *store, uint32_t number, struct box **ret_box)
{
	struct cache_mailbox_row row;
	struct box *box;
	int r;

	if (number == 0)
		return -ENOENT;
	pthread_mutex_lock(&store->lock);
	box = store->recent_box;
	if (box != NULL && box->number != number)
		box = NULL;
	pthread_mutex_unlock(&store->lock);
	if (box == NULL) {
		r = cache_mailbox_by_box(store->cache, number, &row);
		if (r != 0)
			return box_missing(store, r);
		box = box_get(store, row.m.id);
		if (box == NULL)
			return -ENOMEM;
		/* Only where nothing is known: a sync may have given it another number since the
		 * row was read. */
		box_learn(store, box, &row.m);
		pthread_mutex_lock(&store->lock);
		store->recent_box = box;
		pthread_mutex_unlock(&store->lock);
	}
	*ret_box = box;
	return 0;
}

void box_free_all(struct store *store)
{
	for (size_t i = 0; i < BOX_BUCKETS; i++) {
		while (store->boxes[i] != NULL) {
			struct box *box = store->boxes[i];

			store->boxes[i] = box->next_by_id;
			imap_set_release(&box->untold);
			free(box);
		}
	}
}

int box_missing(struct store *store, int r)
{
	bool lost = atomic_load(&store->index_lost) ||
		    cache_generation(store->cache) != atomic_load(&store->generation);

	return r == -ENOENT && lost ? -EIO : r;
}

void box_forget_all(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < BOX_BUCKETS; i++) {
		for (struct box *box = store->boxes[i]; box != NULL; box = box->next_by_id) {
			box->synced_ms = box->tried_ms = 0;
			atomic_store(&box->eml_children, 0);
		}
	}
	store->recent_box = NULL;
	store->tree_ms = store->tree_tried_ms = 0;
	pthread_mutex_unlock(&store->lock);
}

int box_row_of_dir(struct store *store, uint64_t dir, struct cache_mailbox_row *ret_row)
{
	int r;

	if (dir >> 63 != 0)
		return -ENOENT;
	if (dir != STORE_ROOT && (dir & UINT32_MAX) != 0)
		return -ENOTDIR;
	r = cache_mailbox_get(store->cache, dir == STORE_ROOT ? 1 : (uint32_t)(dir >> INO_SHIFT),
			      ret_row);
	return box_missing(store, r);
}

bool mailbox_selectable(const struct cache_mailbox *mailbox)
{
	return mailbox->wire.len > 0 &&
	       (mailbox->attributes & (IMAP_ATTR_NOSELECT | IMAP_ATTR_NONEXISTENT)) == 0;
}
