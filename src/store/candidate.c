/* Which messages a stream asks for next: the index in the walk's order, less what is here already.
 */
#include <errno.h>
#include <string.h>

#include "store/ahead.h"

#define PAGE 256
#define LOOK_MAX                                                                                   \
	8192 /* messages looked at for one batch: a long run of cached ones comes in parts */

struct page {
	struct candidate items[PAGE];
	size_t count;
};

static int add_to_page(void *user, const struct cache_message *message)
{
	struct page *page = user;

	page->items[page->count++] =
		(struct candidate){ message->uid, message->known ? message->size : UINT64_MAX };
	return 0;
}

/* The next messages in the order, with their sizes (UINT64_MAX: not to be fetched). Only downwards
 * the index gives both in one go. */
static int next_page(struct store *store, uint32_t number, enum walk_order order, imap_uid cursor,
		     size_t max, struct page *page)
{
	struct cache_message_row row;
	imap_uid uids[PAGE];
	size_t count = 0;
	int r;

	page->count = 0;
	if (order == WALK_DESCENDING)
		return cursor <= 1 ? 0
				   : cache_message_page(store->cache, number, cursor, max, true,
							add_to_page, page);
	if (order == WALK_ASCENDING)
		r = cache_message_next_uids(store->cache, number, cursor, true, max, uids, &count);
	else
		r = cache_message_next_by_name(store->cache, number, cursor, max, uids, &count);
	for (size_t i = 0; i < count && r == 0; i++) {
		r = cache_message_get(store->cache, number, uids[i], &row);
		if (r == 0)
			add_to_page(page, &row.m);
		else if (r == -ENOENT)
			r = 0;
	}
	return r;
}

static bool is_here(struct store *store, uint32_t number, imap_uid uid)
{
	struct store_body *body = ring_find(store->ring, number, uid, 0);

	if (body == NULL)
		return cache_body_has(store->cache, number, uid, 0);
	store_body_put(&body);
	return true;
}

int candidates_find(struct store *store, uint32_t number, enum walk_order order, imap_uid *cursor,
		    size_t max, uint64_t bytes, struct candidate *ret_items, size_t *ret_count,
		    bool *ret_ended)
{
	size_t count = 0, looked = 0;
	uint64_t total = 0;
	struct page page;

	*ret_ended = false;
	while (count < max && total < bytes && looked < LOOK_MAX) {
		size_t want = max - count < PAGE ? max - count : PAGE;
		int r = next_page(store, number, order, *cursor, want, &page);

		if (r != 0)
			return r;
		if (page.count == 0) {
			*ret_ended = true;
			break;
		}
		for (size_t i = 0; i < page.count && total < bytes; i++) {
			struct candidate *item = &page.items[i];

			*cursor = item->uid;
			looked++;
			if (item->size > CACHE_CHUNK_SIZE || is_here(store, number, item->uid))
				continue;
			ret_items[count++] = *item;
			total += item->size;
		}
	}
	*ret_count = count;
	return 0;
}
