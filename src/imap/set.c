/*
 * Message sets as sorted, disjoint ranges that do not touch. One unused slot stands
 * before ranges[0] and says how many free ones lie before it: that makes growing at
 * the front as cheap as growing at the end. Text is read by appending as it comes
 * and sorting once, so a set in random order costs n log n.
 */
#include <imap/set.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imap/set_build.h"
#include <imap/limits.h>

#define SET_FIRST_CAPACITY 4u

static size_t front_room(const struct imap_set *set)
{
	return set->ranges ? set->ranges[-1].first : 0;
}

static void front_room_put(struct imap_set *set, size_t room)
{
	set->ranges[-1] = (struct imap_range){ (uint32_t)room, 0 };
}

void imap_set_release(struct imap_set *set)
{
	if (set->ranges)
		free(set->ranges - 1 - front_room(set));
	*set = (struct imap_set){ 0 };
}

void imap_set_clear(struct imap_set *set)
{
	set->count = 0;
}

/* New memory with `front` free slots before and `capacity` slots from the first range on. */
static int set_move(struct imap_set *set, size_t front, size_t capacity)
{
	struct imap_range *base = malloc((front + 1 + capacity) * sizeof(*base));
	struct imap_set bigger;

	if (!base)
		return -ENOMEM;
	bigger = (struct imap_set){ base + front + 1, set->count, capacity };
	front_room_put(&bigger, front);
	if (set->count)
		memcpy(bigger.ranges, set->ranges, set->count * sizeof(*base));
	imap_set_release(set);
	*set = bigger;
	return 0;
}

static int set_grow_end(struct imap_set *set)
{
	struct imap_range *base;
	size_t room, capacity;

	if (set->count >= IMAP_LIMIT_SET_RANGES)
		return -E2BIG;
	if (set->count < set->capacity)
		return 0;
	capacity = set->capacity ? set->capacity * 2 : SET_FIRST_CAPACITY;
	room = front_room(set);
	if (!set->ranges)
		return set_move(set, 0, capacity);
	base = realloc(set->ranges - 1 - room, (room + 1 + capacity) * sizeof(*base));
	if (!base)
		return -ENOMEM;
	set->ranges = base + room + 1;
	set->capacity = capacity;
	return 0;
}

static int set_insert(struct imap_set *set, size_t at, struct imap_range range)
{
	int err;

	if (set->count >= IMAP_LIMIT_SET_RANGES)
		return -E2BIG;
	if (at == 0 && set->count) {
		size_t room = front_room(set);

		if (room == 0) {
			room = set->count + SET_FIRST_CAPACITY;
			err = set_move(set, room, set->capacity);
			if (err)
				return err;
		}
		set->ranges--;
		set->capacity++;
		front_room_put(set, room - 1);
	} else {
		err = set_grow_end(set);
		if (err)
			return err;
		memmove(set->ranges + at + 1, set->ranges + at,
			(set->count - at) * sizeof(*set->ranges));
	}
	set->ranges[at] = range;
	set->count++;
	return 0;
}

static void set_erase(struct imap_set *set, size_t from, size_t to)
{
	memmove(set->ranges + from, set->ranges + to, (set->count - to) * sizeof(*set->ranges));
	set->count -= to - from;
}

/* The index of the first range that ends at `uid` or behind it. */
static size_t set_find(const struct imap_set *set, imap_uid uid)
{
	size_t low = 0, high = set->count;

	if (high && set->ranges[high - 1].last < uid)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->ranges[middle].last < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int imap_set_add_range(struct imap_set *set, imap_uid first, imap_uid last)
{
	struct imap_range *range;
	size_t at, end;

	if (first == 0 || first > last)
		return -EINVAL;
	/* The first range that overlaps or touches, then the first that no longer does. */
	at = set_find(set, first - 1);
	if (at == set->count || (last < UINT32_MAX && set->ranges[at].first > last + 1))
		return set_insert(set, at, (struct imap_range){ first, last });
	for (end = at + 1; end < set->count; end++)
		if (last < UINT32_MAX && set->ranges[end].first > last + 1)
			break;
	range = &set->ranges[at];
	if (first < range->first)
		range->first = first;
	if (last < set->ranges[end - 1].last)
		last = set->ranges[end - 1].last;
	range->last = last;
	set_erase(set, at + 1, end);
	return 0;
}

int imap_set_add(struct imap_set *set, imap_uid uid)
{
	return imap_set_add_range(set, uid, uid);
}

int imap_set_remove(struct imap_set *set, imap_uid uid)
{
	size_t at = set_find(set, uid);
	struct imap_range *range;
	struct imap_range upper;
	int err;

	if (at == set->count || set->ranges[at].first > uid)
		return 0;
	range = &set->ranges[at];
	if (range->first == uid && range->last == uid) {
		set_erase(set, at, at + 1);
		return 0;
	}
	if (range->first == uid) {
		range->first++;
		return 0;
	}
	if (range->last == uid) {
		range->last--;
		return 0;
	}
	upper = (struct imap_range){ uid + 1, range->last };
	err = set_insert(set, at + 1, upper);
	if (err)
		return err;
	set->ranges[at].last = uid - 1;
	return 0;
}

bool imap_set_contains(const struct imap_set *set, imap_uid uid)
{
	size_t at = set_find(set, uid);

	return at < set->count && set->ranges[at].first <= uid;
}

uint64_t imap_set_size(const struct imap_set *set)
{
	uint64_t size = 0;

	for (size_t i = 0; i < set->count; i++)
		size += (uint64_t)set->ranges[i].last - set->ranges[i].first + 1;
	return size;
}

/* ---- building from what comes in any order -------------------------------- */

int imap_set_append(struct imap_set *set, imap_uid first, imap_uid last)
{
	struct imap_range *tail = set->count ? &set->ranges[set->count - 1] : NULL;
	int err;

	if (first == 0 || first > last)
		return -EINVAL;
	if (tail && first > tail->last && first - 1 == tail->last) {
		tail->last = last;
		return 0;
	}
	if (tail && last < tail->first && last + 1 == tail->first) {
		tail->first = first;
		return 0;
	}
	err = set_grow_end(set);
	if (err)
		return err;
	set->ranges[set->count++] = (struct imap_range){ first, last };
	return 0;
}

static int range_compare(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

void imap_set_normalise(struct imap_set *set)
{
	size_t kept = 0;
	bool sorted = true;

	for (size_t i = 1; i < set->count && sorted; i++)
		sorted = set->ranges[i].first > set->ranges[i - 1].last &&
			 set->ranges[i].first - set->ranges[i - 1].last > 1;
	if (sorted)
		return;
	qsort(set->ranges, set->count, sizeof(*set->ranges), range_compare);
	for (size_t i = 1; i < set->count; i++) {
		struct imap_range *last = &set->ranges[kept], *next = &set->ranges[i];

		if (last->last == UINT32_MAX || next->first <= last->last + 1) {
			if (next->last > last->last)
				last->last = next->last;
		} else {
			set->ranges[++kept] = *next;
		}
	}
	set->count = kept + 1;
}

/* seq-number = nz-number / "*" */
static int parse_number(struct slice *text, imap_uid *ret_number)
{
	uint64_t number = 0;
	size_t len = 0;

	if (text->len && text->ptr[0] == '*') {
		number = IMAP_SET_STAR;
		len = 1;
	} else {
		if (text->len == 0 || text->ptr[0] == '0')
			return -EINVAL;
		while (len < text->len && text->ptr[len] >= '0' && text->ptr[len] <= '9') {
			number = number * 10 + (unsigned)(text->ptr[len++] - '0');
			if (number > UINT32_MAX)
				return -EINVAL;
		}
		if (len == 0)
			return -EINVAL;
	}
	text->ptr += len;
	text->len -= len;
	*ret_number = (imap_uid)number;
	return 0;
}

/* (seq-number / seq-range) *("," ...) ; seq-range = seq-number ":" seq-number */
static int parse_members(struct slice text, struct imap_set *set)
{
	for (;;) {
		imap_uid first, last;
		int err = parse_number(&text, &first);

		if (err)
			return err;
		last = first;
		if (text.len && text.ptr[0] == ':') {
			text.ptr++;
			text.len--;
			err = parse_number(&text, &last);
			if (err)
				return err;
		}
		err = first <= last ? imap_set_append(set, first, last)
				    : imap_set_append(set, last, first);
		if (err || text.len == 0)
			return err;
		if (text.ptr[0] != ',')
			return -EINVAL;
		text.ptr++;
		text.len--;
	}
}

int imap_set_parse(struct slice text, struct imap_set *set)
{
	struct imap_set parsed = { 0 };
	int err = parse_members(text, &parsed);

	if (err) {
		imap_set_release(&parsed);
		return err;
	}
	imap_set_normalise(&parsed);
	imap_set_release(set);
	*set = parsed;
	return 0;
}

/* ---- text ------------------------------------------------------------------ */

static size_t format_number(imap_uid uid, char *out)
{
	if (uid == IMAP_SET_STAR) {
		*out = '*';
		return 1;
	}
	return (size_t)snprintf(out, 11, "%u", (unsigned)uid);
}

size_t imap_set_format(const struct imap_set *set, size_t *pos, char *buf, size_t size)
{
	size_t len = 0;

	if (size)
		buf[0] = '\0';
	for (; *pos < set->count; ++*pos) {
		struct imap_range range = set->ranges[*pos];
		char text[24];
		size_t add = 0;

		if (len)
			text[add++] = ',';
		add += format_number(range.first, text + add);
		if (range.last != range.first) {
			text[add++] = ':';
			add += format_number(range.last, text + add);
		}
		if (add >= size - len || size == 0)
			break;
		memcpy(buf + len, text, add);
		len += add;
		buf[len] = '\0';
	}
	return len;
}
