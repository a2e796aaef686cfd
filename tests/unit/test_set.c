/* imap/set.h, against a plain bit array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <imap/limits.h>
#include <imap/set.h>

#include "util/attr.h"
#include "util/slice.h"

static void assert_text(const struct imap_set *set, const char *expected)
{
	static char text[4096];
	size_t pos = 0;

	imap_set_format(set, &pos, text, sizeof(text));
	assert_string_equal(text, expected);
	assert_int_equal(pos, set->count);
}

static void parses(void **state)
{
	static const struct {
		const char *text, *expected; /* NULL: -EINVAL */
	} cases[] = {
		{ "1", "1" },
		{ "1:3,6", "1:3,6" },
		{ "6,1:3", "1:3,6" },
		{ "5:*", "5:*" },
		{ "*", "*" },
		{ "*:5", "5:*" },
		{ "9:7", "7:9" },
		{ "1,2,3,5,4", "1:5" },
		{ "5,9,8,7,6", "5:9" },
		{ "1:4294967295", "1:*" },
		{ "1:10,3:5,10:11", "1:11" },
		{ "3,3,3", "3" },
		{ "4294967294,4294967295", "4294967294:*" },
		{ "", NULL },
		{ "0", NULL },
		{ "0:5", NULL },
		{ "1:0", NULL },
		{ "01", NULL },
		{ ",", NULL },
		{ "1,", NULL },
		{ ",1", NULL },
		{ "1,,2", NULL },
		{ "1:3,", NULL },
		{ "5:", NULL },
		{ ":5", NULL },
		{ "1:2:3", NULL },
		{ "4294967296", NULL },
		{ "99999999999999999999", NULL },
		{ "-1", NULL },
		{ "1 ", NULL },
		{ " 1", NULL },
		{ "1;2", NULL },
		{ "**", NULL },
		{ "1*", NULL },
		{ "a", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imap_set set = { 0 };
		char *exact = malloc(strlen(cases[i].text) + !*cases[i].text);
		int err;

		memcpy(exact, cases[i].text, strlen(cases[i].text));
		imap_set_add(&set, 77);
		err = imap_set_parse((struct slice){ exact, strlen(cases[i].text) }, &set);
		if (err != (cases[i].expected ? 0 : -EINVAL))
			fail_msg("'%s': %d", cases[i].text, err);
		assert_text(&set, cases[i].expected ? cases[i].expected : "77");
		imap_set_release(&set);
		free(exact);
	}
}

#define PLAIN 300u

static void assert_same(const struct imap_set *set, const bool *plain)
{
	uint64_t size = 0;

	for (imap_uid uid = 1; uid < PLAIN; uid++) {
		assert_int_equal(imap_set_contains(set, uid), plain[uid]);
		size += plain[uid];
	}
	assert_int_equal(imap_set_size(set), size);
	for (size_t i = 0; i < set->count; i++) {
		assert_true(set->ranges[i].first <= set->ranges[i].last);
		if (i)
			assert_true(set->ranges[i].first > set->ranges[i - 1].last + 1);
	}
}

static void adds_and_removes_like_a_bit_array(void **state)
{
	uint32_t random = 12345;

	for (int round = 0; round < 50; round++) {
		bool plain[PLAIN] = { false };
		struct imap_set set = { 0 };

		for (int step = 0; step < 300; step++) {
			imap_uid first, last;

			random = random * 1103515245u + 12345u;
			first = 1 + (random >> 8) % (PLAIN - 1);
			last = first + (random >> 20) % 12;
			if (last >= PLAIN)
				last = PLAIN - 1;
			if (random >> 30 == 0) {
				assert_int_equal(imap_set_remove(&set, first), 0);
				plain[first] = false;
			} else {
				assert_int_equal(imap_set_add_range(&set, first, last), 0);
				memset(plain + first, true, last - first + 1);
			}
			if (step % 25 == 0)
				assert_same(&set, plain);
		}
		assert_same(&set, plain);
		imap_set_release(&set);
	}
}

static void edges(void **state)
{
	struct imap_set set = { 0 };

	assert_false(imap_set_contains(&set, 1));
	assert_int_equal(imap_set_size(&set), 0);
	assert_int_equal(imap_set_add(&set, 0), -EINVAL);
	assert_int_equal(imap_set_add_range(&set, 5, 4), -EINVAL);
	assert_int_equal(imap_set_add_range(&set, 1, UINT32_MAX), 0);
	assert_int_equal(imap_set_size(&set), UINT32_MAX);
	assert_int_equal(imap_set_add_range(&set, UINT32_MAX, UINT32_MAX), 0);
	assert_int_equal(imap_set_remove(&set, UINT32_MAX), 0);
	assert_int_equal(imap_set_remove(&set, 1), 0);
	assert_int_equal(imap_set_remove(&set, 1), 0);
	assert_text(&set, "2:4294967294");
	imap_set_clear(&set);
	assert_int_equal(set.count, 0);
	assert_int_equal(imap_set_add(&set, UINT32_MAX), 0);
	assert_int_equal(imap_set_add(&set, 1), 0);
	assert_text(&set, "1,*");
	imap_set_release(&set);
	imap_set_release(&set);
}

/* A million additions in the worst orders: at a quadratic cost this does not end. */
static void both_ends_are_cheap(void **state)
{
	struct imap_set set = { 0 };
	int err = 0;

	for (imap_uid uid = 2000001; uid > 1 && !err; uid -= 2)
		err = imap_set_add(&set, uid);
	assert_int_equal(err, 0);
	assert_int_equal(set.count, 1000000);
	assert_int_equal(set.ranges[0].first, 3);
	for (imap_uid uid = 3000001; !err; uid += 2)
		err = imap_set_add(&set, uid);
	assert_int_equal(err, -E2BIG);
	assert_int_equal(set.count, IMAP_LIMIT_SET_RANGES);
	assert_int_equal(imap_set_remove(&set, 2000001), 0);
	assert_int_equal(imap_set_add_range(&set, 100, 105), 0); /* merging needs no room */
	imap_set_release(&set);
}

static void random_order_is_cheap_to_parse(void **state)
{
	size_t count = 500000, len = 0;
	char *text = malloc(count * 9);
	struct imap_set set = { 0 };
	uint32_t number = 1;

	for (size_t i = 0; i < count; i++) {
		number = (number * 48271u + 11u) % 6000011u;
		len += (size_t)snprintf(text + len, 10, "%s%u", len ? "," : "", number + 1);
	}
	assert_int_equal(imap_set_parse((struct slice){ text, len }, &set), 0);
	for (size_t i = 1; i < set.count; i++)
		assert_true(set.ranges[i].first > set.ranges[i - 1].last + 1);
	assert_true(imap_set_contains(&set, number + 1));
	imap_set_release(&set);
	free(text);
}

static void formats_in_pieces(void **state)
{
	struct imap_set set = { 0 }, again = { 0 };
	char text[64], joined[400] = "";
	size_t pos = 0, pieces = 0;

	for (imap_uid uid = 1000000; uid < 1000040; uid += 2)
		imap_set_add(&set, uid);
	while (imap_set_format(&set, &pos, text, sizeof(text))) {
		assert_true(strlen(text) < sizeof(text));
		snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%s",
			 pieces++ ? "," : "", text);
	}
	assert_true(pieces > 1);
	assert_int_equal(imap_set_parse(slice_of(joined), &again), 0);
	assert_int_equal(again.count, set.count);
	assert_memory_equal(again.ranges, set.ranges, set.count * sizeof(*set.ranges));
	/* What fits exactly is taken. */
	pos = 0;
	assert_int_equal(imap_set_format(&set, &pos, text, 8), 7);
	assert_string_equal(text, "1000000");
	assert_int_equal(imap_set_format(&set, &pos, text, 7), 0);
	imap_set_release(&set);
	imap_set_release(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(adds_and_removes_like_a_bit_array),
		cmocka_unit_test(edges),
		cmocka_unit_test(both_ends_are_cheap),
		cmocka_unit_test(random_order_is_cheap_to_parse),
		cmocka_unit_test(formats_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
