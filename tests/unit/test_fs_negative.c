/* The table of missing names: what is remembered, what is pushed out, and the race with names that appear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants those first */
#include <cmocka.h>

#include "fs/negative.h"

static size_t evictions;
static char last[64];

static void on_evicted(void *user, uint64_t dir, struct slice name)
{
	evictions++;
	snprintf(last, sizeof(last), "%llu/%.*s", (unsigned long long)dir, (int)name.len, name.ptr);
}

static struct negative *make(void)
{
	struct negative *negative = NULL;

	evictions = 0;
	assert_int_equal(negative_new(on_evicted, NULL, &negative), 0);
	return negative;
}

static void remembers(void **state)
{
	struct negative *negative = make();

	assert_true(negative_add(negative, negative_epoch(negative), 5, SLICE_LIT("a")));
	assert_false(negative_appeared(negative, 6, SLICE_LIT("a")));
	assert_false(negative_appeared(negative, 5, SLICE_LIT("b")));
	assert_true(negative_appeared(negative, 5, SLICE_LIT("a")));
	assert_false(negative_appeared(negative, 5, SLICE_LIT("a")));
	negative_free(&negative);
	assert_null(negative);
}

static void refuses_what_is_older_than_a_change(void **state)
{
	struct negative *negative = make();
	uint64_t epoch = negative_epoch(negative);

	assert_false(negative_appeared(negative, 5, SLICE_LIT("a")));
	assert_false(negative_add(negative, epoch, 5, SLICE_LIT("a")));
	assert_false(negative_appeared(negative, 5, SLICE_LIT("a")));
	negative_free(&negative);
}

static void the_same_name_again_evicts_nobody(void **state)
{
	struct negative *negative = make();

	for (int i = 0; i < 100; i++)
		assert_true(negative_add(negative, negative_epoch(negative), 5, SLICE_LIT("a")));
	assert_int_equal(evictions, 0);
	negative_free(&negative);
}

/* Every name added is afterwards either known or was handed to the callback: none is lost. */
static void loses_none(void **state)
{
	struct negative *negative = make();
	size_t known = 0, total = 3 * NEGATIVE_NAMES;
	char name[32];

	for (size_t i = 0; i < total; i++) {
		snprintf(name, sizeof(name), "name-%zu", i);
		assert_true(
			negative_add(negative, negative_epoch(negative), i % 7, slice_of(name)));
	}
	for (size_t i = 0; i < total; i++) {
		snprintf(name, sizeof(name), "name-%zu", i);
		known += negative_appeared(negative, i % 7, slice_of(name));
	}
	assert_int_equal(known + evictions, total);
	assert_true(known <= NEGATIVE_NAMES);
	assert_true(known > NEGATIVE_NAMES / 2);
	negative_free(&negative);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remembers),
		cmocka_unit_test(refuses_what_is_older_than_a_change),
		cmocka_unit_test(the_same_name_again_evicts_nobody),
		cmocka_unit_test(loses_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
