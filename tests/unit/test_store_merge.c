/* The resync's arithmetic: sets against a plain array of bits, keywords against a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/merge.h"
#include "util/attr.h"

#define SPAN 64

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

static void random_set(unsigned *seed, unsigned percent, bool bits[SPAN], struct imap_set *set)
{
	imap_set_clear(set);
	for (unsigned i = 0; i < SPAN; i++) {
		bits[i] = next_random(seed) % 100 < percent;
		if (bits[i])
			assert_int_equal(imap_set_add(set, i + 1), 0);
	}
}

static void assert_set(const struct imap_set *set, const bool bits[SPAN])
{
	uint64_t count = 0;

	for (unsigned i = 0; i < SPAN; i++) {
		assert_int_equal(imap_set_contains(set, i + 1), bits[i]);
		count += bits[i];
	}
	assert_int_equal(imap_set_size(set), count);
}

static void test_sets(void **state)
{
	unsigned seed = 3;
	struct imap_set a = { 0 }, b = { 0 }, out = { 0 };

	for (int round = 0; round < 5000; round++) {
		bool x[SPAN], y[SPAN], want[SPAN];

		random_set(&seed, (unsigned)round % 101, x, &a);
		random_set(&seed, (unsigned)(round / 101 * 3) % 101, y, &b);
		for (int i = 0; i < SPAN; i++)
			want[i] = x[i] && !y[i];
		assert_int_equal(merge_subtract(&a, &b, &out), 0);
		assert_set(&out, want);
		for (int i = 0; i < SPAN; i++)
			want[i] = x[i] && y[i];
		assert_int_equal(merge_intersect(&a, &b, &out), 0);
		assert_set(&out, want);
	}
	imap_set_release(&a);
	imap_set_release(&b);
	imap_set_release(&out);
}

static void test_set_edges(void **state)
{
	struct imap_set a = { 0 }, b = { 0 };

	assert_int_equal(imap_set_add_range(&a, 1, UINT32_MAX), 0);
	assert_int_equal(imap_set_add(&b, UINT32_MAX), 0);
	assert_int_equal(imap_set_add(&b, 1), 0);
	assert_int_equal(merge_subtract(&a, &b, &a), 0); /* onto itself */
	assert_int_equal(a.count, 1);
	assert_int_equal(a.ranges[0].first, 2);
	assert_int_equal(a.ranges[0].last, UINT32_MAX - 1);
	assert_int_equal(merge_subtract(&b, &b, &b), 0);
	assert_int_equal(b.count, 0);
	imap_set_release(&a);
	imap_set_release(&b);
}

/* Taking from the top until nothing is left gives every UID once, newest first, in bounded pieces.
 */
static void test_take_top(void **state)
{
	unsigned seed = 5;
	struct imap_set set = { 0 }, top = { 0 };

	for (int round = 0; round < 1000; round++) {
		bool bits[SPAN], seen[SPAN] = { false };
		imap_uid below = UINT32_MAX;
		size_t count = 1 + next_random(&seed) % 20, ranges = 1 + next_random(&seed) % 4;

		random_set(&seed, (unsigned)round % 101, bits, &set);
		while (set.count > 0) {
			assert_int_equal(merge_take_top(&set, count, ranges, &top), 0);
			assert_in_range(imap_set_size(&top), 1, count);
			assert_in_range(top.count, 1, ranges);
			assert_true(top.ranges[top.count - 1].last < below);
			below = top.ranges[0].first;
			for (unsigned i = 0; i < SPAN; i++)
				seen[i] = seen[i] || imap_set_contains(&top, i + 1);
		}
		assert_memory_equal(seen, bits, sizeof(bits));
	}
	imap_set_release(&set);
	imap_set_release(&top);
}

static void test_keywords(void **state)
{
	static const struct {
		struct slice in[4];
		size_t count;
		const char *out;
	} cases[] = {
		{ { { NULL, 0 } }, 0, "" },
		{ { SLICE_LIT("b"), SLICE_LIT("a") }, 2, "a b" },
		{ { SLICE_LIT("a"), SLICE_LIT("$Junk"), SLICE_LIT("a") }, 3, "$Junk a" },
		{ { SLICE_LIT(""), SLICE_LIT("x") }, 2, "x" },
		{ { SLICE_LIT("ab"), SLICE_LIT("a"), SLICE_LIT("abc") }, 3, "a ab abc" },
	};
	struct buf buf;

	buf_init(&buf, 1000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		buf_clear(&buf);
		buf_append_str(&buf, "before");
		merge_keywords(cases[i].in, cases[i].count, &buf);
		assert_string_equal(buf_cstr(&buf) + 6, cases[i].out);
	}
	buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_set_edges),
		cmocka_unit_test(test_take_top),
		cmocka_unit_test(test_keywords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
