/*
 * Message sets (RFC 9051 §9 sequence-set): sorted, disjoint, merged ranges of
 * UIDs. Used both for what is sent ("1:3,6:9") and for what servers say
 * (ESEARCH ALL, VANISHED, COPYUID). '*' is not a number: it is kept as
 * IMAP_SET_STAR (2^32-1), the highest a UID can be.
 */
#ifndef IMAP_SET_H
#define IMAP_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <imap/types.h>

#define IMAP_SET_STAR UINT32_MAX

struct imap_range {
	imap_uid first, last; /* inclusive, first <= last */
};

/* Zero-initialise to start empty. */
struct imap_set {
	struct imap_range *ranges;
	size_t count, capacity;
};

void imap_set_release(struct imap_set *set);
void imap_set_clear(struct imap_set *set);

/* Add; in any order, amortised O(1) when ascending or descending at either end.
 * 0, -ENOMEM, -E2BIG over IMAP_LIMIT_SET_RANGES, -EINVAL for 0 or first > last. */
int imap_set_add(struct imap_set *set, imap_uid uid);
int imap_set_add_range(struct imap_set *set, imap_uid first, imap_uid last);
/* Removes uid where it is in the set (may split a range). 0, -ENOMEM, -E2BIG. */
int imap_set_remove(struct imap_set *set, imap_uid uid);

bool imap_set_contains(const struct imap_set *set, imap_uid uid);
/* How many UIDs the set names. */
uint64_t imap_set_size(const struct imap_set *set);

/* Strict: "1:3,6" and "5:*"; a reversed range is put right (RFC 9051 §9 allows it),
 * 0, empty members, a trailing comma and anything else are -EINVAL. `set` is replaced. */
int imap_set_parse(struct slice text, struct imap_set *set);

/* Formats as many ranges from `*pos` (an index, starts at 0) as fit into `buf` of
 * `size` bytes, NUL-terminated, advances *pos; returns the length (0: none left). */
size_t imap_set_format(const struct imap_set *set, size_t *pos, char *buf, size_t size);

#endif
