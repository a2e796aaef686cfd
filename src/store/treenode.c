/* See treenode.h. */
#include "store/treenode.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <imap/types.h>

#include "store/boxname.h"
#include "util/buf.h"

#define ARENA_MAX (256u * 1024 * 1024)
#define UTF8_MAX 4000 /* of a whole decoded name: the index keeps no more */

static uint32_t hash_text(uint32_t hash, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619u;
	return hash;
}

static uint32_t hash_key(struct slice key)
{
	return hash_text(2166136261u, key);
}

static uint32_t hash_name(size_t parent, struct slice name)
{
	return hash_text(2166136261u ^ (uint32_t)parent * 2654435761u, name);
}

static size_t *key_slot(const struct tree *tree, struct slice key)
{
	size_t at = hash_key(key) & (tree->hash_size - 1);

	while (tree->by_key[at] != 0 && !slice_eq(tree->nodes[tree->by_key[at] - 1].key, key))
		at = (at + 1) & (tree->hash_size - 1);
	return &tree->by_key[at];
}

static size_t *name_slot(const struct tree *tree, size_t parent, struct slice name)
{
	size_t at = hash_name(parent, name) & (tree->hash_size - 1);

	while (tree->by_name[at] != 0) {
		const struct tree_node *node = &tree->nodes[tree->by_name[at] - 1];

		if (node->parent == parent && slice_eq(node->name, name))
			break;
		at = (at + 1) & (tree->hash_size - 1);
	}
	return &tree->by_name[at];
}

/* Room for one more node; the hashes stay at most half full. */
static int tree_grow(struct tree *tree)
{
	size_t size = tree->size > 0 ? tree->size * 2 : 256;
	struct tree_node *nodes;
	size_t *by_key, *by_name;

	if (tree->count < tree->size)
		return 0;
	if (tree->count >= TREE_MAX)
		return -E2BIG;
	nodes = realloc(tree->nodes, size * sizeof(*nodes));
	if (nodes == NULL)
		return -ENOMEM;
	tree->nodes = nodes;
	by_key = calloc(size * 2, sizeof(*by_key));
	by_name = calloc(size * 2, sizeof(*by_name));
	if (by_key == NULL || by_name == NULL) {
		free(by_key);
		free(by_name);
		return -ENOMEM;
	}
	free(tree->by_key);
	free(tree->by_name);
	tree->by_key = by_key;
	tree->by_name = by_name;
	tree->size = size;
	tree->hash_size = size * 2;
	for (size_t i = 1; i < tree->count; i++) {
		*key_slot(tree, nodes[i].key) = i + 1;
		*name_slot(tree, nodes[i].parent, nodes[i].name) = i + 1;
	}
	return 0;
}

int tree_init(struct tree *tree)
{
	int r;

	memset(tree, 0, sizeof(*tree));
	arena_init(&tree->arena, ARENA_MAX);
	r = tree_grow(tree);
	if (r != 0) {
		tree_release(tree);
		return r;
	}
	tree->nodes[0] = (struct tree_node){ .attributes = IMAP_ATTR_NOSELECT };
	tree->count = 1;
	return 0;
}

void tree_release(struct tree *tree)
{
	arena_release(&tree->arena);
	free(tree->nodes);
	free(tree->by_key);
	free(tree->by_name);
	memset(tree, 0, sizeof(*tree));
}

static struct slice keep(struct tree *tree, struct slice text)
{
	char *copy = arena_dup(&tree->arena, text);

	return (struct slice){ copy, copy != NULL ? text.len : 0 };
}

/* Where the component that begins at `start` ends. A delimiter with nothing before it belongs to
 * the name behind it, so that "a//b" is a directory "%2Fb" in "a" and not the same as "a/b". */
static size_t component_end(struct slice path, size_t start, char delimiter, unsigned depth)
{
	size_t end = start;

	if (delimiter == '\0' || depth >= TREE_DEPTH_MAX)
		return path.len;
	while (end < path.len && path.ptr[end] == delimiter)
		end++;
	while (end < path.len && path.ptr[end] != delimiter)
		end++;
	return end;
}

static int decode_whole(struct tree *tree, const struct tree_node *parent, struct slice component,
			char delimiter, struct slice *ret_utf8)
{
	struct buf whole;
	char *room;
	long len = -ENAMETOOLONG;

	buf_init(&whole, UTF8_MAX);
	if (parent->utf8.len > 0) {
		buf_append_slice(&whole, parent->utf8);
		buf_append_char(&whole, delimiter);
	}
	room = buf_reserve(&whole, 3 * component.len + 16);
	if (room != NULL)
		len = boxname_text(component, room, 3 * component.len + 16);
	if (len >= 0) {
		buf_commit(&whole, (size_t)len);
		*ret_utf8 = keep(tree, buf_slice(&whole));
		len = ret_utf8->ptr != NULL ? 0 : -ENOMEM;
	}
	buf_release(&whole);
	return (int)len;
}

static int tree_new_node(struct tree *tree, size_t parent, struct slice key, struct slice component,
			 char delimiter, size_t *ret_index)
{
	char entry[BOXNAME_MAX + 1];
	struct slice name = { entry, boxname_entry(component, entry) };
	struct tree_node *node;
	int r = tree_grow(tree);

	if (r != 0)
		return r;
	if (*name_slot(tree, parent, name) != 0) {
		name.len = boxname_entry_hashed(component, entry);
		if (*name_slot(tree, parent, name) != 0)
			return -EEXIST;
	}
	node = &tree->nodes[tree->count];
	*node = (struct tree_node){ .parent = parent,
				    .depth = tree->nodes[parent].depth + 1,
				    .delimiter = delimiter,
				    .attributes = IMAP_ATTR_NOSELECT };
	r = decode_whole(tree, &tree->nodes[parent], component, delimiter, &node->utf8);
	if (r != 0)
		return r;
	node->key = keep(tree, key);
	node->name = keep(tree, name);
	if (node->key.ptr == NULL || node->name.ptr == NULL)
		return -ENOMEM;
	*key_slot(tree, node->key) = tree->count + 1;
	*name_slot(tree, parent, node->name) = tree->count + 1;
	tree->nodes[parent].children++;
	*ret_index = tree->count++;
	return 0;
}

/* The path that finds a name: INBOX is one mailbox however it is spelt. */
static char *path_of(struct slice wire, char delimiter, struct slice *ret_path)
{
	char *path = slice_dup(wire);

	if (path != NULL) {
		struct slice first = { path, component_end(wire, 0, delimiter, 0) };

		if (slice_caseeqs(first, "INBOX"))
			memcpy(path, "INBOX", 5);
		*ret_path = (struct slice){ path, wire.len };
	}
	return path;
}

static int tree_walk(struct tree *tree, struct slice path, char delimiter, size_t *ret_index)
{
	size_t index = 0, start = 0;

	for (unsigned depth = 1; start < path.len; depth++) {
		size_t end = component_end(path, start, delimiter, depth);
		struct slice key = { path.ptr, end };
		size_t *slot = key_slot(tree, key);
		int r;

		if (*slot != 0) {
			index = *slot - 1;
		} else {
			r = tree_new_node(tree, index, key,
					  (struct slice){ path.ptr + start, end - start },
					  delimiter, &index);
			if (r != 0)
				return r;
		}
		start = end + 1;
	}
	*ret_index = index;
	return 0;
}

int tree_add(struct tree *tree, struct slice wire, char delimiter, uint32_t attributes)
{
	struct tree_node *node;
	struct slice path, stem = wire;
	size_t index = 0;
	char *copy;
	int r;

	/* "name/" is how some servers list what only has children. */
	while (delimiter != '\0' && stem.len > 1 && stem.ptr[stem.len - 1] == delimiter)
		stem.len--;
	if (stem.len == 0)
		return 0;
	copy = path_of(stem, delimiter, &path);
	if (copy == NULL)
		return -ENOMEM;
	r = tree_walk(tree, path, delimiter, &index);
	free(copy);
	if (r == -EEXIST || r == -ENAMETOOLONG)
		return 0; /* no server means it: two spellings of one hash, or a name of kilobytes
			   */
	if (r != 0)
		return r;
	node = &tree->nodes[index];
	if (node->wire.len == 0) {
		node->wire = keep(tree, stem);
		node->attributes = attributes;
		return node->wire.ptr != NULL ? 0 : -ENOMEM;
	}
	node->attributes |= attributes;
	return 0;
}

struct tree_node *tree_find(struct tree *tree, struct slice wire)
{
	struct slice path = wire;
	char inbox[] = "INBOX";
	size_t *slot;

	if (slice_caseeqs(wire, "INBOX"))
		path = (struct slice){ inbox, 5 };
	slot = key_slot(tree, path);
	if (*slot == 0 && wire.len > 5 && slice_casestarts(wire, "INBOX")) {
		char *copy = slice_dup(wire);

		if (copy == NULL)
			return NULL;
		memcpy(copy, "INBOX", 5);
		slot = key_slot(tree, (struct slice){ copy, wire.len });
		free(copy);
	}
	return *slot != 0 ? &tree->nodes[*slot - 1] : NULL;
}

static bool names_person(const struct tree_node *node, struct slice name)
{
	if (node->utf8.len != name.len)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char want = name.ptr[i], have = node->utf8.ptr[i];

		if (have != want && !(want == '/' && have == node->delimiter))
			return false;
	}
	return true;
}

struct tree_node *tree_find_utf8(struct tree *tree, const char *name)
{
	char *copy = strdup(name);
	struct tree_node *found = NULL;
	struct slice wanted;

	if (copy == NULL)
		return NULL;
	wanted = slice_of(copy);
	for (size_t i = 1; i < tree->count && found == NULL; i++)
		if (names_person(&tree->nodes[i], wanted))
			found = &tree->nodes[i];
	if (found == NULL && slice_casestarts(wanted, "INBOX") && memcmp(copy, "INBOX", 5) != 0) {
		memcpy(copy, "INBOX", 5);
		found = tree_find_utf8(tree, copy);
	}
	free(copy);
	return found;
}

void tree_reroot(struct tree *tree, struct tree_node *root)
{
	size_t top = (size_t)(root - tree->nodes);
	unsigned depth = root->depth;

	tree->nodes[0].depth = UINT_MAX;
	/* A parent always stands before its children. */
	for (size_t i = 1; i < tree->count; i++) {
		struct tree_node *node = &tree->nodes[i];

		if (i == top)
			node->depth = 0;
		else if (tree->nodes[node->parent].depth == UINT_MAX)
			node->depth = UINT_MAX;
		else
			node->depth -= depth;
	}
}
