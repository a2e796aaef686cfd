/*
 * Makes the index's tree like the one the server listed: new, moved and vanished mailboxes
 * and their numbers, each difference told as an event.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "store/private.h"
#include "store/treenode.h"
#include "util/clock.h"

/* ---- what the index has ------------------------------------------------------------- */

struct old_node {
	struct slice wire, name, utf8;
	uint32_t id, parent, attributes, uidvalidity, uidnext, messages, unseen, recent;
	uint64_t highestmodseq;
	char delimiter;
	bool listed, seen;
};

struct old_tree {
	struct arena arena;
	struct old_node *nodes;
	size_t count, size;
	int error;
};

static int add_old(void *user, const struct cache_mailbox *m)
{
	struct old_tree *old = user;
	struct old_node *node;

	if (old->count == old->size) {
		size_t size = old->size > 0 ? old->size * 2 : 256;
		struct old_node *nodes = realloc(old->nodes, size * sizeof(*nodes));

		if (nodes == NULL)
			return -ENOMEM;
		old->nodes = nodes;
		old->size = size;
	}
	node = &old->nodes[old->count];
	*node = (struct old_node){ .id = m->id,
				   .parent = m->parent,
				   .attributes = m->attributes,
				   .uidvalidity = m->uidvalidity,
				   .uidnext = m->uidnext,
				   .messages = m->messages,
				   .unseen = m->unseen,
				   .recent = m->recent,
				   .highestmodseq = m->highestmodseq,
				   .delimiter = m->delimiter,
				   .listed = m->listed };
	node->wire = (struct slice){ arena_dup(&old->arena, m->wire), m->wire.len };
	node->name = (struct slice){ arena_dup(&old->arena, m->name), m->name.len };
	node->utf8 = (struct slice){ arena_dup(&old->arena, m->utf8), m->utf8.len };
	if (node->wire.ptr == NULL || node->name.ptr == NULL || node->utf8.ptr == NULL)
		return -ENOMEM;
	old->count++;
	return 0;
}

static int compare_slices(struct slice a, struct slice b)
{
	int r = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

	return r != 0 ? r : (a.len > b.len) - (a.len < b.len);
}

static int compare_old(const void *a, const void *b)
{
	return compare_slices(((const struct old_node *)a)->utf8,
			      ((const struct old_node *)b)->utf8);
}

/* By the decoded name; the root by its number. */
static struct old_node *find_old(const struct old_tree *old, const struct tree_node *node)
{
	struct old_node key = { .utf8 = node->utf8 };
	struct old_node *found;

	if (node->depth == 0) {
		for (size_t i = 0; i < old->count; i++)
			if (old->nodes[i].id == 1)
				return &old->nodes[i];
		return NULL;
	}
	if (key.utf8.ptr == NULL || old->count == 0)
		return NULL;
	found = bsearch(&key, old->nodes, old->count, sizeof(*old->nodes), compare_old);
	if (found == NULL)
		return NULL;
	/* The root may have the name of a mailbox, when another mount had that as its root. */
	for (; found > old->nodes && slice_eq(found[-1].utf8, node->utf8);)
		found--;
	for (; found < old->nodes + old->count && slice_eq(found->utf8, node->utf8); found++)
		if (found->id != 1)
			return found;
	return NULL;
}

/* ---- making the index like the list ---------------------------------------------------- */

struct change {
	struct store *store;
	struct tree *tree;
	struct old_tree *old;
	bool silent; /* there was no tree before: nobody knows anything to be told of */
};

static void parent_changed(struct change *change, uint32_t parent)
{
	struct cache_mailbox now = { .mtime_s = clock_wall_s() };
	struct box *box;

	if (change->silent)
		return;
	cache_mailbox_update(change->store->cache, parent, CACHE_MB_MTIME, &now);
	box = box_get(change->store, parent);
	if (box != NULL)
		atomic_store(&box->eml_children, 0);
	tell_listing(change->store, box_ino(parent));
}

static struct cache_mailbox row_of(const struct change *change, const struct tree_node *node,
				   const struct old_node *old)
{
	bool is_root = node->depth == 0;

	return (struct cache_mailbox){
		.id = is_root       ? 1
		      : old != NULL ? old->id
				    : 0,
		.parent = is_root ? 0 : change->tree->nodes[node->parent].id,
		.wire = node->wire.ptr != NULL ? node->wire : SLICE_LIT(""),
		.name = is_root ? SLICE_LIT("") : node->name,
		.utf8 = node->utf8.ptr != NULL ? node->utf8 : SLICE_LIT(""),
		.delimiter = node->delimiter,
		.attributes = (node->attributes &
			       ~(uint32_t)(IMAP_ATTR_HASCHILDREN | IMAP_ATTR_HASNOCHILDREN)) |
			      (node->children > 0 ? IMAP_ATTR_HASCHILDREN
						  : IMAP_ATTR_HASNOCHILDREN),
	};
}

static bool row_same(const struct cache_mailbox *row, const struct old_node *old)
{
	return row->parent == old->parent && row->delimiter == old->delimiter &&
	       row->attributes == old->attributes && slice_eq(row->wire, old->wire) &&
	       slice_eq(row->name, old->name) && slice_eq(row->utf8, old->utf8);
}

static void tell_moved(struct change *change, const struct old_node *old,
		       const struct cache_mailbox *row)
{
	if (old != NULL && (old->parent != row->parent || !slice_eq(old->name, row->name)) &&
	    old->id != 1) {
		if (!change->silent)
			tell_removed(change->store, box_ino(old->parent), old->name,
				     box_ino(old->id));
		parent_changed(change, old->parent);
		old = NULL;
	}
	if (old == NULL && row->id != 1) {
		if (!change->silent)
			tell_added(change->store, box_ino(row->parent), row->name);
		parent_changed(change, row->parent);
	}
}

/* One level: parents have their ids already. */
static int put_level(struct change *change, unsigned depth, size_t *ret_found)
{
	struct tree *tree = change->tree;
	struct cache_mailbox *rows = calloc(tree->count, sizeof(*rows));
	size_t *which = calloc(tree->count, sizeof(*which)), count = 0, found = 0;
	int r = rows != NULL && which != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < tree->count; i++) {
		struct tree_node *node = &tree->nodes[i];
		struct old_node *old;
		struct cache_mailbox row;

		if (node->depth != depth)
			continue;
		found++;
		old = find_old(change->old, node);
		row = row_of(change, node, old);
		node->id = row.id;
		if (old != NULL)
			old->seen = true;
		if (old != NULL && row_same(&row, old))
			continue;
		which[count] = i;
		rows[count++] = row;
	}
	if (r == 0 && count > 0)
		r = cache_mailbox_put_all(change->store->cache, rows, count);
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct tree_node *node = &tree->nodes[which[i]];

		node->id = rows[i].id;
		tell_moved(change, find_old(change->old, node), &rows[i]);
	}
	free(rows);
	free(which);
	*ret_found = found;
	return r;
}

static void remove_unseen(struct change *change)
{
	for (size_t i = 0; i < change->old->count; i++) {
		struct old_node *old = &change->old->nodes[i];

		if (old->seen || old->id == 1)
			continue;
		if (cache_mailbox_remove(change->store->cache, old->id) != 0)
			continue;
		if (!change->silent)
			tell_removed(change->store, box_ino(old->parent), old->name,
				     box_ino(old->id));
		parent_changed(change, old->parent);
	}
}

/* The numbers of LIST-STATUS. UIDNEXT and HIGHESTMODSEQ of a mailbox that is listed are those of
 * its last sync, which compares them: only a sync writes them. */
static void put_status(struct change *change, const struct tree_node *node)
{
	const struct old_node *old = find_old(change->old, node);
	struct cache_mailbox values = { .messages = node->messages,
					.unseen = node->unseen,
					.recent = node->recent,
					.uidnext = node->uidnext };
	uint32_t which = CACHE_MB_MESSAGES | CACHE_MB_UNSEEN | CACHE_MB_RECENT;
	struct box *box;
	bool stale = false;

	if (old != NULL && old->messages == node->messages && old->unseen == node->unseen &&
	    old->recent == node->recent && old->uidnext == node->uidnext &&
	    (!old->listed || old->highestmodseq == node->highestmodseq))
		return;
	if (old == NULL || !old->listed)
		which |= CACHE_MB_UIDNEXT;
	else
		stale = old->messages != node->messages || old->uidnext != node->uidnext ||
			old->highestmodseq != node->highestmodseq;
	cache_mailbox_update(change->store->cache, node->id, which, &values);
	box = stale ? box_get(change->store, node->id) : NULL;
	if (box == NULL)
		return;
	pthread_mutex_lock(&change->store->lock);
	stale = box->shown;
	box->synced_ms = 0; /* the next listing asks */
	pthread_mutex_unlock(&change->store->lock);
	if (stale)
		tell_listing(change->store, box_ino(node->id));
}

int tree_apply(struct store *store, struct tree *tree)
{
	struct old_tree old = { .count = 0 };
	struct change change = { .store = store, .tree = tree, .old = &old };
	size_t found = 1;
	int r;

	arena_init(&old.arena, 256u * 1024 * 1024);
	r = cache_mailbox_all(store->cache, add_old, &old);
	if (r == 0 && old.count > 0)
		qsort(old.nodes, old.count, sizeof(*old.nodes), compare_old);
	change.silent = old.count <= 1 && !atomic_load(&store->index_lost);
	for (unsigned depth = 0; r == 0 && found > 0; depth++)
		r = put_level(&change, depth, &found);
	if (r == 0) {
		remove_unseen(&change);
		for (size_t i = 0; i < tree->count; i++)
			if (tree->nodes[i].has_status && tree->nodes[i].depth != UINT_MAX)
				put_status(&change, &tree->nodes[i]);
	}
	arena_release(&old.arena);
	free(old.nodes);
	return r;
}
