/*
 * The tree of directories that a server's flat list of mailboxes makes, in memory, while it is
 * compared with the index: splits names by their delimiter, makes the parents that only a
 * prefix implies, names every node uniquely among its siblings. Knows neither network nor index.
 */
#ifndef STORE_TREENODE_H
#define STORE_TREENODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/slice.h"

#define TREE_MAX 400000   /* nodes: a server that lists more is cut there */
#define TREE_DEPTH_MAX 64 /* levels; what is deeper stays in one name */

struct tree_node {
	struct slice key;  /* the path that finds it: wire, INBOX in capitals */
	struct slice wire; /* as the server lists it; empty: implied */
	struct slice name; /* the directory entry */
	struct slice utf8; /* decoded whole name */
	char delimiter;
	uint32_t attributes;
	size_t parent; /* index of a node; that of the root is itself */
	unsigned depth;
	uint32_t children;
	bool has_status;
	uint32_t messages, unseen, recent, uidnext, uidvalidity;
	uint64_t highestmodseq;
	uint32_t id; /* for the caller */
};

/* Node 0 is the root. */
struct tree {
	struct tree_node *nodes;
	size_t count, size;
	size_t *by_key, *by_name; /* hashes: index + 1, 0 empty */
	size_t hash_size;
	struct arena arena;
};

int tree_init(struct tree *tree);
void tree_release(struct tree *tree);
/* A mailbox as listed. 0, -ENOMEM, -E2BIG. Listed twice, the attributes are joined. */
int tree_add(struct tree *tree, struct slice wire, char delimiter, uint32_t attributes);
/* By the wire name, as STATUS says it; NULL. */
struct tree_node *tree_find(struct tree *tree, struct slice wire);
/* By the name a person gives (UTF-8, the server's delimiter or '/'). NULL. */
struct tree_node *tree_find_utf8(struct tree *tree, const char *name);
/* Makes `node` the root: what is not below it gets depth UINT_MAX. */
void tree_reroot(struct tree *tree, struct tree_node *node);

#endif
