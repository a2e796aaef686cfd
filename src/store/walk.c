/* See walk.h. All state is the caller's, under the caller's lock. */
#include "store/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- walks -------------------------------------------------------------------------- */

static struct walk_head *head_of(struct walk *walk, imap_uid uid)
{
	for (size_t i = 0; i < WALK_HEADS; i++)
		if (walk->heads[i].uid == uid)
			return &walk->heads[i];
	return NULL;
}

/* Which orders numbers alone allow. */
static unsigned candidates(const struct walk_head *head, imap_uid uid)
{
	unsigned orders = (uid < head->uid ? WALK_DESCENDING : WALK_ASCENDING) | WALK_BY_NAME;

	return orders & head->orders;
}

/* Several readers share the work of one walk (xargs -P): the next one of theirs may come before the
 * last. */
static bool is_straggler(const struct walk_head *head, imap_uid uid, walk_next_fn *next, void *user)
{
	return head->run > 0 && next(user, uid, head->uid, head->orders) != 0;
}

static void head_set(struct walk *walk, struct walk_head *head, imap_uid uid, unsigned orders,
		     unsigned run)
{
	*head = (struct walk_head){
		.uid = uid, .orders = orders, .run = run, .used = ++walk->clock
	};
}

void walk_hit(struct walk *walk, imap_uid uid)
{
	struct walk_head *best = NULL;

	if (head_of(walk, uid) != NULL)
		return;
	/* The reader that is nearest; with one that walks the index need not be asked for a hit. */
	for (size_t i = 0; i < WALK_HEADS; i++)
		if (walk->heads[i].uid != 0 && walk->heads[i].run > 0 &&
		    (best == NULL || walk->heads[i].used > best->used))
			best = &walk->heads[i];
	if (best != NULL)
		head_set(walk, best, uid, best->orders, best->run);
}

enum walk_order walk_miss(struct walk *walk, imap_uid uid, bool edge, walk_next_fn *next,
			  void *user)
{
	struct walk_head *oldest = &walk->heads[0];
	struct walk_head *head = head_of(walk, uid);

	if (head != NULL) { /* the next part of the same message */
		head->used = ++walk->clock;
		return WALK_NONE;
	}
	for (size_t i = 0; i < WALK_HEADS; i++) {
		unsigned orders;

		head = &walk->heads[i];
		if (head->used < oldest->used)
			oldest = head;
		if (head->uid == 0)
			continue;
		orders = candidates(head, uid);
		if (orders != 0)
			orders = next(user, head->uid, uid, orders);
		if (orders == 0 && is_straggler(head, uid, next, user)) {
			head->used = ++walk->clock;
			return WALK_NONE;
		}
		if (orders == 0)
			continue;
		head_set(walk, head, uid, orders, head->run + 1);
		if (head->run < WALK_START)
			return WALK_NONE;
		/* Where UIDs and names agree the UIDs are cheaper to follow. */
		return orders & WALK_DESCENDING  ? WALK_DESCENDING
		       : orders & WALK_ASCENDING ? WALK_ASCENDING
						 : WALK_BY_NAME;
	}
	head_set(walk, oldest, uid, WALK_DESCENDING | WALK_ASCENDING | WALK_BY_NAME, edge ? 1 : 0);
	return WALK_NONE;
}

/* ---- tracks ------------------------------------------------------------------------- */

void track_reset(struct track *track, uint64_t limit_max)
{
	struct track_item *items = track->items;
	size_t size = track->size;

	*track = (struct track){
		.items = items, .size = size, .limit_max = limit_max, .batch = TRACK_BATCH_FIRST
	};
	track->limit = limit_max < TRACK_LIMIT_FIRST ? limit_max : TRACK_LIMIT_FIRST;
}

void track_release(struct track *track)
{
	free(track->items);
	memset(track, 0, sizeof(*track));
}

static struct track_item *item_at(const struct track *track, size_t i)
{
	return &track->items[(track->first + i) & (track->size - 1)];
}

uint64_t track_room(const struct track *track)
{
	uint64_t ahead = track->issued - track->read;

	return ahead < track->limit ? track->limit - ahead : 0;
}

size_t track_batch(struct track *track)
{
	size_t batch = track->batch;

	/* A little room is not worth a command. */
	if (track_room(track) < track->limit / 8)
		return 0;
	track->batch_open = true;
	track->batch = batch * 2 < TRACK_BATCH_MAX ? (unsigned)batch * 2 : TRACK_BATCH_MAX;
	return batch;
}

static int track_grow(struct track *track)
{
	size_t size = track->size > 0 ? track->size * 2 : 512;
	struct track_item *items = malloc(size * sizeof(*items));

	if (items == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < track->count; i++)
		items[i] = *item_at(track, i);
	free(track->items);
	track->items = items;
	track->size = size;
	track->first = 0;
	return 0;
}

int track_issue(struct track *track, imap_uid uid, uint64_t size, bool *ret_marker)
{
	struct track_item *item;

	if (track->count == track->size && track_grow(track) != 0)
		return -ENOMEM;
	track->issued += size;
	item = item_at(track, track->count++);
	item->uid = uid;
	item->end = track->issued;
	item->marker = track->batch_open || ++track->since_marker >= TRACK_MARKER_EVERY;
	if (item->marker)
		track->since_marker = 0;
	track->batch_open = false;
	*ret_marker = item->marker;
	return 0;
}

static size_t track_find(const struct track *track, imap_uid uid)
{
	size_t i = 0;

	while (i < track->count && item_at(track, i)->uid != uid)
		i++;
	return i;
}

bool track_read(struct track *track, imap_uid uid)
{
	size_t i = track_find(track, uid);

	if (i == track->count)
		return false;
	track->read = item_at(track, i)->end;
	track->first = (track->first + i + 1) & (track->size - 1);
	track->count -= i + 1;
	/* The reader keeps coming: it is worth being further ahead of it. */
	if (track->read - track->grown >= track->limit / 8) {
		track->grown = track->read;
		track->limit = track->limit * TRACK_GROWTH < track->limit_max
				       ? track->limit * TRACK_GROWTH
				       : track->limit_max;
	}
	return true;
}
