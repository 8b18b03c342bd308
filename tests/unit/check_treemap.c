/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* That calm_debug_check of a treemap bites: each invariant is broken by hand, named, and mended. */
#include "map/treemap_leaf.h"
#include "map/treemap_node.h"

#include "suite.h"

#include <stdio.h>

#define KEYS 10000

static calm_map *map;
static struct calm__tree *tree;
static struct calm__inner *root;
static struct calm__leaf *first; /* leaf, and the one to its right */
static struct calm__leaf *second;

static void assert_check(const char *expected)
{
	const char *broken = NULL;
	assert_int_equal(calm_debug_check(map, &broken), expected ? CALM_CHANGED : CALM_OK);
	if (expected)
		assert_string_equal(broken, expected);
}

/* Sets a word, expects what the check says of it, and sets it back. */
static void break_word(shared_u64 *word, uint64_t value, const char *expected)
{
	uint64_t before = load_relaxed(word);
	assert_true(before != value);
	store_relaxed(word, value);
	assert_check(expected);
	store_relaxed(word, before);
	assert_check(NULL);
}

static void break_pointer(shared_ptr *word, void *value, const char *expected)
{
	void *before = load_relaxed(word);
	store_relaxed(word, value);
	assert_check(expected);
	store_relaxed(word, before);
	assert_check(NULL);
}

static calm_key key(uint64_t number, bool bytes)
{
	static char name[32];
	if (!bytes)
		return calm_word(16 * number + 16);
	return calm_bytes(name, (size_t)snprintf(name, sizeof(name), "name/%08d", (int)number));
}

static void make(bool bytes)
{
	calm_options options = CALM_OPTIONS_INIT;
	options.keys = bytes ? CALM_KEYS_BYTES : CALM_KEYS_WORD;
	assert_int_equal(calm_treemap_create(&map, &options), CALM_OK);
	for (uint64_t i = 0; i < KEYS; i++)
		assert_int_equal(calm_map_store(map, key(i, bytes), NULL), CALM_OK);
	tree = calm__treemap_tree(calm__treemap_of(map));
	struct calm__node *node = load_relaxed(&tree->root);
	assert_true(node->level >= 2);
	root = calm__inner_of(node);
	while (node->level > 0)
		node = load_relaxed(&calm__inner_of(node)->children[0]);
	first = calm__leaf_of(node);
	second = calm__leaf_of(load_relaxed(&node->next));
	assert_check(NULL);
}

static int words(void **state)
{
	(void)state;
	make(false);
	return 0;
}

static int names(void **state)
{
	(void)state;
	make(true);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return calm_map_destroy(map) == CALM_OK ? 0 : -1;
}

static void a_node(void **state)
{
	struct calm__node *node = &second->node;
	uint64_t header = load_relaxed(&node->header);
	uint64_t count = (uint64_t)0xff << NODE_COUNT_SHIFT;
	(void)state;
	break_word(&node->header, header | NODE_LOCK, "treemap: a node is locked, or gone");
	break_word(&node->header, header | count, "treemap: a leaf has more entries than room");
	break_word(&root->node.header, load_relaxed(&root->node.header) | count,
		   "treemap: an inner node has more children than room");
	break_word(&node->stamp, UINT64_MAX, "treemap: a stamp of the future");
	break_pointer(&first->node.next, load_relaxed(&node->next),
		      "treemap: a leaf does not lead to the next");
}

static void keys(void **state)
{
	uint64_t other = load_relaxed(&first->keys[0]);
	uint64_t later = load_relaxed(&second->keys[2]);
	(void)state;
	break_word(&second->keys[0], other, "treemap: a key outside its leaf");
	break_word(&first->keys[0], later, "treemap: a key outside its leaf");
	break_word(&second->keys[1], later, "treemap: keys of a leaf do not rise");
}

static void tags(void **state)
{
	(void)state;
	/* The same name, with another tag in the pointer's free bits. */
	uint64_t stored = load_relaxed(&second->keys[1]);
	for (uint64_t bit = (uint64_t)1 << 63; bit != 0; bit >>= 1) {
		if (calm__name_of(stored ^ bit) != calm__name_of(stored))
			continue;
		break_word(&second->keys[1], stored ^ bit, "treemap: a tag that is not its key's");
		return;
	}
	fail_msg("a stored name has no tag");
}

static void separators(void **state)
{
	(void)state;
	uint64_t second_head = load_relaxed(&root->heads[1]);
	break_word(&root->heads[0], second_head + 1,
		   "treemap: a node does not end where its parent says");
	break_word(&root->heads[1], load_relaxed(&root->heads[0]),
		   "treemap: separators do not rise");
	uint64_t high = load_relaxed(&root->node.high);
	root->node.low++;
	assert_check("treemap: a node does not end where its parent says");
	root->node.low--;
	break_word(&root->node.high, load_relaxed(&root->heads[0]) - 1,
		   "treemap: a separator outside its node");
	assert_int_equal(load_relaxed(&root->node.high), high);
}

static void levels(void **state)
{
	struct calm__node *child = load_relaxed(&root->children[1]);
	(void)state;
	child->level++;
	assert_check("treemap: a child on the wrong level");
	child->level--;
	child->low++;
	assert_check("treemap: a node does not end where its parent says");
	child->low--;
	assert_check(NULL);
}

static void counts(void **state)
{
	struct calm__self *self = calm__self();
	(void)state;
	calm__stripes_add(&tree->count, self, 1);
	assert_check("treemap: the count is not the number of bindings");
	calm__stripes_add(&tree->count, self, -1);
	break_word(&tree->nodes, load_relaxed(&tree->nodes) + 1,
		   "treemap: the count of nodes is not their number");
	struct calm__node *last = &second->node;
	while (load_relaxed(&last->next))
		last = load_relaxed(&last->next);
	break_pointer(&last->next, &first->node, "treemap: the last leaf leads on");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_node, words, tear_down),
		cmocka_unit_test_setup_teardown(keys, words, tear_down),
		cmocka_unit_test_setup_teardown(separators, words, tear_down),
		cmocka_unit_test_setup_teardown(levels, words, tear_down),
		cmocka_unit_test_setup_teardown(counts, words, tear_down),
		cmocka_unit_test_setup_teardown(a_node, names, tear_down),
		cmocka_unit_test_setup_teardown(keys, names, tear_down),
		cmocka_unit_test_setup_teardown(tags, names, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
