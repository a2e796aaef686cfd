/*
 * The resync: every UID with its flags as the server has them, merged with the index in
 * batches while they stream in. What the server did not name is asked for once more before it
 * counts as gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/merge.h"
#include "store/private.h"
#include "util/log.h"

#define BATCH 1000
#define TEXT_MAX (1024u * 1024) /* keywords of a batch */
#define TELL_SINGLY 256         /* names looked up one by one; more are read in pages */

struct flag_row {
	imap_uid uid;
	uint32_t flags;
	uint64_t modseq;
	size_t keywords, keywords_len; /* in text */
};

struct flag_merge {
	struct sync *sync;
	struct imap_set seen;
	struct flag_row rows[BATCH];
	size_t count;
	struct buf text;
	struct cache_message changed[BATCH];
	size_t changed_count;
	imap_uid lowest, highest; /* of the batch */
	imap_uid reached;         /* while the index is read */
	int error;
};

static struct slice row_keywords(const struct flag_merge *merge, const struct flag_row *row)
{
	return row->keywords_len > 0
		       ? (struct slice){ merge->text.ptr + row->keywords, row->keywords_len }
		       : SLICE_LIT("");
}

static int compare_rows(const void *a, const void *b)
{
	imap_uid x = ((const struct flag_row *)a)->uid, y = ((const struct flag_row *)b)->uid;

	return (x > y) - (x < y);
}

/* A row of the index, of whose UID the batch may have news. */
static int compare_with_index(void *user, const struct cache_message *known)
{
	struct flag_merge *merge = user;
	struct flag_row key = { .uid = known->uid };
	const struct flag_row *row;

	merge->reached = known->uid;
	if (known->uid < merge->lowest)
		return 1;
	row = bsearch(&key, merge->rows, merge->count, sizeof(*merge->rows), compare_rows);
	if (row == NULL || !known->known)
		return 0;
	if (row->flags == known->flags && slice_eq(row_keywords(merge, row), known->keywords) &&
	    (row->modseq == 0 || row->modseq == known->modseq))
		return 0;
	merge->changed[merge->changed_count++] = (struct cache_message){
		.box = known->box,
		.uid = known->uid,
		.flags = row->flags,
		.keywords = row_keywords(merge, row),
		.modseq = row->modseq != 0 ? row->modseq : known->modseq,
	};
	return 0;
}

/* Compares the batch with the part of the index that it spans. */
static void flush(struct flag_merge *merge)
{
	struct sync *sync = merge->sync;
	uint64_t before = (uint64_t)merge->highest + 1;
	int r = 0;

	if (merge->count == 0 || merge->error != 0)
		return;
	/* Duplicates would make the changed rows more than fit. */
	qsort(merge->rows, merge->count, sizeof(*merge->rows), compare_rows);
	merge->changed_count = 0;
	do {
		merge->reached = 0;
		r = cache_message_page(sync->store->cache, sync->number,
				       before > UINT32_MAX ? 0 : (imap_uid)before, BATCH, true,
				       compare_with_index, merge);
		before = merge->reached;
		if (r == 0 && merge->changed_count > 0)
			r = cache_message_put_flags(sync->store->cache, merge->changed,
						    merge->changed_count);
		merge->changed_count = r > 0 ? merge->changed_count : 0;
	} while (r == 0 && merge->reached > merge->lowest);
	if (r > 0)
		r = merge->changed_count > 0
			    ? cache_message_put_flags(sync->store->cache, merge->changed,
						      merge->changed_count)
			    : 0;
	if (r < 0)
		merge->error = r;
	merge->count = 0;
	buf_clear(&merge->text);
}

static int on_flags(void *user, const struct imap_event *event)
{
	struct flag_merge *merge = user;
	const struct imap_event_fetch *fetch = &event->fetch;
	struct flag_row *row;

	if (event->type != IMAP_EVENT_FETCH || fetch->uid == 0 || merge->error != 0)
		return 0;
	merge->error = imap_set_add(&merge->seen, fetch->uid);
	if (merge->error != 0 || !(fetch->present & IMAP_FETCH_FLAGS))
		return 0;
	if (merge->count == 0)
		merge->lowest = merge->highest = fetch->uid;
	if (fetch->uid < merge->lowest)
		merge->lowest = fetch->uid;
	if (fetch->uid > merge->highest)
		merge->highest = fetch->uid;
	row = &merge->rows[merge->count++];
	*row = (struct flag_row){ .uid = fetch->uid,
				  .flags = fetch->flags & ~(uint32_t)IMAP_FLAG_RECENT,
				  .keywords = merge->text.len,
				  .modseq = fetch->present & IMAP_FETCH_MODSEQ ? fetch->modseq
									       : 0 };
	merge_keywords(fetch->keywords, fetch->keyword_count, &merge->text);
	row->keywords_len = merge->text.len - row->keywords;
	if (merge->text.error != 0)
		merge->error = merge->text.error;
	if (merge->count == BATCH || merge->text.len > TEXT_MAX / 2)
		flush(merge);
	return 0;
}

/* ---- gone --------------------------------------------------------------------------------- */

struct teller {
	struct sync *sync;
	const struct imap_set *only; /* NULL: all */
	bool added;                  /* else removed */
	struct eml_names taken;
	imap_uid last;
	size_t seen;
};

static int tell_row(void *user, const struct cache_message *message)
{
	struct teller *teller = user;
	struct sync *sync = teller->sync;
	uint64_t dir = box_ino(sync->box->id);
	char name[MSGNAME_SIZE];
	size_t len;

	teller->last = message->uid;
	teller->seen++;
	if (teller->only != NULL && !imap_set_contains(teller->only, message->uid))
		return 0;
	len = message_plain_name(sync->store, message, name);
	if (teller->taken.len > 0 && eml_names_have(&teller->taken, (struct slice){ name, len }))
		len = msgname_avoid(len, name);
	if (teller->added)
		tell_added(sync->store, dir, (struct slice){ name, len });
	else
		tell_removed(sync->store, dir, (struct slice){ name, len }, message_ino(message));
	return 0;
}

static void tell_rows(struct teller *teller, uint32_t number)
{
	struct store *store = teller->sync->store;
	int r = eml_names_load(store, teller->sync->box, &teller->taken);

	do {
		teller->seen = 0;
		if (r == 0 && teller->last != 1)
			r = cache_message_page(store->cache, number, teller->last, BATCH, true,
					       tell_row, teller);
	} while (r == 0 && teller->seen == BATCH);
	eml_names_release(&teller->taken);
}

static void tell_gone(struct sync *sync, imap_uid uid)
{
	struct cache_message_row row;
	char name[MSGNAME_SIZE];
	size_t len;

	if (cache_message_get(sync->store->cache, sync->number, uid, &row) != 0)
		return;
	len = message_name(sync->store, sync->box, &row.m, name);
	tell_removed(sync->store, box_ino(sync->box->id), (struct slice){ name, len },
		     message_ino(&row.m));
}

int sync_remove(struct sync *sync, const struct imap_set *gone)
{
	struct teller teller = { .sync = sync, .only = gone };

	if (gone->count == 0)
		return 0;
	if (imap_set_size(gone) > TELL_SINGLY)
		tell_rows(&teller, sync->number);
	else
		for (size_t i = 0; i < gone->count; i++)
			for (uint64_t uid = gone->ranges[i].first; uid <= gone->ranges[i].last;
			     uid++)
				tell_gone(sync, (imap_uid)uid);
	sync->changed = true;
	return cache_message_remove(sync->store->cache, sync->number, gone);
}

void sync_tell_all_removed(struct sync *sync, uint32_t number)
{
	struct teller teller = { .sync = sync };

	tell_rows(&teller, number);
}

void sync_tell_added(struct sync *sync, const struct imap_set *added)
{
	struct teller teller = { .sync = sync, .only = added, .added = true };
	struct cache_message_row row;
	char name[MSGNAME_SIZE];

	if (imap_set_size(added) > TELL_SINGLY) {
		tell_rows(&teller, sync->number);
		return;
	}
	for (size_t i = 0; i < added->count; i++) {
		for (uint64_t uid = added->ranges[i].first; uid <= added->ranges[i].last; uid++) {
			if (cache_message_get(sync->store->cache, sync->number, (imap_uid)uid,
					      &row) != 0)
				continue;
			tell_added(sync->store, box_ino(sync->box->id),
				   (struct slice){ name, message_name(sync->store, sync->box,
								      &row.m, name) });
		}
	}
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* The index knows `have`, the server named `seen`: who is new, who is gone. */
static int compare_uids(struct sync *sync, struct lease *lease, const struct imap_set *seen,
			struct imap_set *ret_new)
{
	struct imap_set have = { 0 }, gone = { 0 }, there = { 0 };
	int r = cache_message_uids(sync->store->cache, sync->number, false, &have);

	if (r == 0)
		r = merge_subtract(&have, seen, &gone);
	if (r == 0)
		r = merge_subtract(seen, &have, ret_new);
	/* A response that was lost or did not parse must not hide a message. */
	if (r == 0 && gone.count > 0)
		r = imap_uid_search_all(lease_conn(lease), &there, NULL);
	if (r == 0 && gone.count > 0)
		r = merge_subtract(&gone, &there, &gone);
	if (r == 0)
		r = sync_remove(sync, &gone);
	if (r == 0 && ret_new->count > 0) {
		sync->changed = true;
		r = cache_message_add_uids(sync->store->cache, sync->number, ret_new);
	}
	imap_set_release(&have);
	imap_set_release(&gone);
	imap_set_release(&there);
	return r;
}

int sync_flags(struct sync *sync, struct lease *lease, struct imap_set *ret_new)
{
	struct flag_merge *merge = calloc(1, sizeof(*merge));
	struct imap_set all = { 0 };
	int r;

	if (merge == NULL)
		return -ENOMEM;
	merge->sync = sync;
	buf_init(&merge->text, TEXT_MAX);
	r = imap_set_add_range(&all, 1, IMAP_SET_STAR);
	/* "1:*" names the last message even of an empty mailbox to some servers; asked of an empty
	 * one it is an error to others. */
	if (r == 0 && sync->selected.exists > 0)
		r = imap_uid_fetch(lease_conn(lease), &all,
				   IMAP_FETCH_UID | IMAP_FETCH_FLAGS | IMAP_FETCH_MODSEQ, on_flags,
				   merge, NULL);
	if (r == 0) {
		flush(merge);
		r = merge->error;
	}
	if (r == 0)
		r = compare_uids(sync, lease, &merge->seen, ret_new);
	imap_set_release(&all);
	imap_set_release(&merge->seen);
	buf_release(&merge->text);
	free(merge);
	return r;
}
