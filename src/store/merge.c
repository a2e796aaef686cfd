/* See merge.h. Sets are sorted ranges, so all of it is a walk along two lists. */
#include "store/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void replace(struct imap_set *set, struct imap_set *by)
{
	imap_set_release(set);
	*set = *by;
}

int merge_subtract(const struct imap_set *a, const struct imap_set *b, struct imap_set *ret_set)
{
	struct imap_set out = { 0 };
	size_t j = 0;
	int r = 0;

	for (size_t i = 0; i < a->count && r == 0; i++) {
		uint64_t first = a->ranges[i].first, last = a->ranges[i].last;

		while (j < b->count && b->ranges[j].last < first)
			j++;
		/* A range of b may reach into the next one of a: j stays on it. */
		for (size_t k = j; r == 0 && first <= last; k++) {
			if (k == b->count || b->ranges[k].first > last) {
				r = imap_set_add_range(&out, (imap_uid)first, (imap_uid)last);
				break;
			}
			if (b->ranges[k].first > first)
				r = imap_set_add_range(&out, (imap_uid)first,
						       b->ranges[k].first - 1);
			first = (uint64_t)b->ranges[k].last + 1;
			j = k;
		}
	}
	if (r != 0) {
		imap_set_release(&out);
		return r;
	}
	replace(ret_set, &out);
	return 0;
}

int merge_intersect(const struct imap_set *a, const struct imap_set *b, struct imap_set *ret_set)
{
	struct imap_set out = { 0 };
	size_t i = 0, j = 0;
	int r = 0;

	while (i < a->count && j < b->count && r == 0) {
		imap_uid first = a->ranges[i].first > b->ranges[j].first ? a->ranges[i].first
									 : b->ranges[j].first;
		imap_uid last = a->ranges[i].last < b->ranges[j].last ? a->ranges[i].last
								      : b->ranges[j].last;

		if (first <= last)
			r = imap_set_add_range(&out, first, last);
		if (a->ranges[i].last < b->ranges[j].last)
			i++;
		else
			j++;
	}
	if (r != 0) {
		imap_set_release(&out);
		return r;
	}
	replace(ret_set, &out);
	return 0;
}

int merge_take_top(struct imap_set *set, size_t count, size_t ranges_max, struct imap_set *ret_top)
{
	struct imap_set top = { 0 };
	uint64_t left = count;

	while (set->count > 0 && left > 0 && top.count < ranges_max) {
		struct imap_range *range = &set->ranges[set->count - 1];
		uint64_t size = (uint64_t)range->last - range->first + 1;
		imap_uid first = size <= left ? range->first : (imap_uid)(range->last - left + 1);
		int r = imap_set_add_range(&top, first, range->last);

		if (r != 0) {
			imap_set_release(&top);
			return r;
		}
		left -= (uint64_t)range->last - first + 1;
		if (first == range->first)
			set->count--;
		else
			range->last = first - 1;
	}
	replace(ret_top, &top);
	return 0;
}

static int compare_keywords(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	int r = memcmp(x->ptr, y->ptr, x->len < y->len ? x->len : y->len);

	return r != 0 ? r : (x->len > y->len) - (x->len < y->len);
}

void merge_keywords(const struct slice *keywords, size_t count, struct buf *out)
{
	struct slice sorted[MERGE_KEYWORDS_MAX];
	size_t start = out->len;

	if (count > MERGE_KEYWORDS_MAX)
		count = MERGE_KEYWORDS_MAX;
	if (count == 0)
		return;
	memcpy(sorted, keywords, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare_keywords);
	for (size_t i = 0; i < count; i++) {
		if (sorted[i].len == 0 || (i > 0 && slice_eq(sorted[i], sorted[i - 1])))
			continue;
		if (out->len > start)
			buf_append_char(out, ' ');
		buf_append_slice(out, sorted[i]);
	}
}
