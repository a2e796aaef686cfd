/* From a server's flat list to directories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <imap/types.h>

#include "store/treenode.h"
#include "util/attr.h"

static void path_of(const struct tree *tree, size_t i, char *buf, size_t size)
{
	char parent[4096] = "";

	if (tree->nodes[i].depth > 1)
		path_of(tree, tree->nodes[i].parent, parent, sizeof(parent));
	snprintf(buf, size, "%s%s%.*s", parent, parent[0] ? "/" : "", (int)tree->nodes[i].name.len,
		 tree->nodes[i].name.ptr);
}

static const struct tree_node *at_path(const struct tree *tree, const char *path)
{
	for (size_t i = 1; i < tree->count; i++) {
		char buf[4096];

		path_of(tree, i, buf, sizeof(buf));
		if (strcmp(buf, path) == 0)
			return &tree->nodes[i];
	}
	return NULL;
}

static const struct {
	const char *wire;
	char delimiter;
	const char *path;
} cases[] = {
	{ "inbox", '/', "INBOX" },
	{ "INBOX.Projekte.2024", '.', "INBOX/Projekte/2024" },
	{ "Inbox.Projekte", '.', "INBOX/Projekte" },
	{ "a/b/c", '/', "a/b/c" },
	{ "a.b", '/', "a.b" },
	{ "a/b", '.', "a%2Fb" },
	{ "flat/name", '\0', "flat%2Fname" },
	{ "a//b", '/', "a/%2Fb" },
	{ "/lead", '/', "%2Flead" },
	{ "..", '/', "%2E." },
	{ "../../etc", '/', "%2E./%2E./etc" },
	{ "x/../y", '.', "x%2F/%2E%2Fy" },
	{ "Entw&APw-rfe/&ZeVnLIqe-", '/', "Entw\xc3\xbcrfe/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
	{ "trail/", '/', "trail" },
	{ "&", '/', "%26" },
	{ "INBOXX", '/', "INBOXX" },
};

static void test_paths(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tree tree;
		const struct tree_node *node;

		assert_int_equal(tree_init(&tree), 0);
		assert_int_equal(tree_add(&tree, slice_of(cases[i].wire), cases[i].delimiter,
					  IMAP_ATTR_MARKED),
				 0);
		node = at_path(&tree, cases[i].path);
		if (node == NULL)
			fail_msg("%s is not at %s", cases[i].wire, cases[i].path);
		assert_int_equal(node->attributes, IMAP_ATTR_MARKED);
		assert_ptr_equal(tree_find(&tree, node->wire), node);
		tree_release(&tree);
	}
}

static void test_implied(void **state)
{
	struct tree tree;
	const struct tree_node *node;

	assert_int_equal(tree_init(&tree), 0);
	assert_int_equal(tree_add(&tree, SLICE_LIT("a/b/c"), '/', 0), 0);
	node = at_path(&tree, "a/b");
	assert_int_equal(node->wire.len, 0);
	assert_true(node->attributes & IMAP_ATTR_NOSELECT);
	assert_int_equal(node->children, 1);
	/* Listed later it is a mailbox after all; listed twice it is still one. */
	assert_int_equal(tree_add(&tree, SLICE_LIT("a/b"), '/', IMAP_ATTR_SENT), 0);
	assert_int_equal(tree_add(&tree, SLICE_LIT("a/b"), '/', IMAP_ATTR_SUBSCRIBED), 0);
	node = at_path(&tree, "a/b");
	assert_int_equal(node->wire.len, 3);
	assert_int_equal(node->attributes, IMAP_ATTR_SENT | IMAP_ATTR_SUBSCRIBED);
	assert_int_equal(tree.count, 4);
	assert_true(slice_eqs(node->utf8, "a/b"));
	tree_release(&tree);
}

/* Every listed name has a path of its own, whatever the server makes up. */
static void test_unique(void **state)
{
	static const char alphabet[] = "aA/.%&-2\x01\xe9";
	unsigned seed = 9;
	struct tree tree;

	assert_int_equal(tree_init(&tree), 0);
	for (int round = 0; round < 3000; round++) {
		char wire[10];
		size_t len = 1 + (size_t)rand() % 8;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245u + 12345u;
			wire[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		assert_int_equal(tree_add(&tree, (struct slice){ wire, len }, '/', 0), 0);
	}
	for (size_t i = 1; i < tree.count; i++) {
		const struct tree_node *node = &tree.nodes[i];

		assert_true(node->parent < i);
		assert_in_range(node->name.len, 1, 255);
		assert_null(memchr(node->name.ptr, '/', node->name.len));
		assert_int_not_equal(node->name.ptr[0], '.');
		for (size_t k = 1; k < i; k++)
			assert_false(tree.nodes[k].parent == node->parent &&
				     slice_eq(tree.nodes[k].name, node->name));
	}
	tree_release(&tree);
}

static void test_reroot(void **state)
{
	struct tree tree;
	struct tree_node *root;

	assert_int_equal(tree_init(&tree), 0);
	assert_int_equal(tree_add(&tree, SLICE_LIT("INBOX.a.b"), '.', 0), 0);
	assert_int_equal(tree_add(&tree, SLICE_LIT("INBOX.c"), '.', 0), 0);
	root = tree_find_utf8(&tree, "inbox/a");
	assert_non_null(root);
	assert_ptr_equal(tree_find_utf8(&tree, "INBOX.a"), root);
	assert_null(tree_find_utf8(&tree, "a"));
	tree_reroot(&tree, root);
	for (size_t i = 0; i < tree.count; i++) {
		struct slice utf8 = tree.nodes[i].utf8;
		unsigned want = slice_eqs(utf8, "INBOX.a")     ? 0
				: slice_eqs(utf8, "INBOX.a.b") ? 1
							       : UINT_MAX;

		assert_int_equal(tree.nodes[i].depth, want);
	}
	tree_release(&tree);
}

static void test_many(void **state)
{
	struct tree tree;
	char wire[64];

	assert_int_equal(tree_init(&tree), 0);
	for (int i = 0; i < 20000; i++) {
		snprintf(wire, sizeof(wire), "top%d/box%d", i % 100, i);
		assert_int_equal(tree_add(&tree, slice_of(wire), '/', 0), 0);
	}
	assert_int_equal(tree.count, 1 + 100 + 20000);
	/* As deep as it gets: what is beyond stays in one name. */
	char deep[400];

	memset(deep, '/', sizeof(deep));
	for (size_t i = 0; i < sizeof(deep); i += 2)
		deep[i] = 'd';
	assert_int_equal(tree_add(&tree, (struct slice){ deep, sizeof(deep) - 1 }, '/', 0), 0);
	assert_in_range(tree.nodes[tree.count - 1].depth, TREE_DEPTH_MAX, TREE_DEPTH_MAX);
	tree_release(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),  cmocka_unit_test(test_implied),
		cmocka_unit_test(test_unique), cmocka_unit_test(test_reroot),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
