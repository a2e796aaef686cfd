/*
 * Comparing what a server says of a mailbox with what the index knows, as plain data: sets of
 * UIDs, and flags. No network, no index.
 */
#ifndef STORE_MERGE_H
#define STORE_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <imap/set.h>

#include "util/buf.h"
#include "util/slice.h"

/* What is in `a` and not in `b`. `ret_set` is replaced. 0, -ENOMEM, -E2BIG. */
int merge_subtract(const struct imap_set *a, const struct imap_set *b, struct imap_set *ret_set);
/* What is in both. */
int merge_intersect(const struct imap_set *a, const struct imap_set *b, struct imap_set *ret_set);
/* Moves the `count` highest UIDs of `set` (fewer when it has not so many, or when they make over
 * `ranges_max` ranges) to `ret_top`, which is replaced. */
int merge_take_top(struct imap_set *set, size_t count, size_t ranges_max, struct imap_set *ret_top);

/* Keywords as the index keeps them: sorted, one space between, none twice. Appended to `out`. */
#define MERGE_KEYWORDS_MAX 256
void merge_keywords(const struct slice *keywords, size_t count, struct buf *out);

#endif
