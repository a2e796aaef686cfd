/*
 * A set that parses is sorted, survives formatting in small pieces, and adding its
 * ranges one by one in the opposite order makes the same set.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <imap/set.h>

#include "util/buf.h"

static void check_sorted(const struct imap_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->ranges[i].first == 0 || set->ranges[i].first > set->ranges[i].last)
			abort();
		if (i && (set->ranges[i].first <= set->ranges[i - 1].last ||
			  set->ranges[i].first - set->ranges[i - 1].last < 2))
			abort();
	}
}

static void check_same(const struct imap_set *a, const struct imap_set *b)
{
	if (a->count != b->count ||
	    memcmp(a->ranges, b->ranges, a->count * sizeof(*a->ranges)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_set set = { 0 }, again = { 0 }, added = { 0 };
	struct buf text;
	char piece[40];
	size_t pos = 0;

	if (imap_set_parse((struct slice){ (const char *)data, size }, &set) != 0)
		return 0;
	check_sorted(&set);
	buf_init(&text, SIZE_MAX);
	while (imap_set_format(&set, &pos, piece, sizeof(piece)))
		buf_appendf(&text, "%s%s", text.len ? "," : "", piece);
	if (imap_set_parse(buf_slice(&text), &again) != 0)
		abort();
	check_same(&set, &again);
	for (size_t i = set.count; i-- > 0;)
		if (imap_set_add_range(&added, set.ranges[i].first, set.ranges[i].last) != 0)
			abort();
	check_same(&set, &added);
	/* Taking the middle out of each range and putting it back changes nothing. */
	for (size_t i = 0; i < set.count; i++) {
		imap_uid middle = set.ranges[i].first +
				  (set.ranges[i].last - set.ranges[i].first) / 2;

		if (imap_set_remove(&added, middle) != 0 || imap_set_contains(&added, middle))
			abort();
		check_sorted(&added);
		if (imap_set_add(&added, middle) != 0)
			abort();
	}
	check_same(&set, &added);
	buf_release(&text);
	imap_set_release(&set);
	imap_set_release(&again);
	imap_set_release(&added);
	return 0;
}
