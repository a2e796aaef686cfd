/*
 * Filling a set with what a server lists in any order: append everything, then
 * normalise once. In between the set is not one (unsorted): nobody else may look.
 */
#ifndef IMAP_SET_BUILD_H
#define IMAP_SET_BUILD_H

#include <imap/set.h>

/* 0, -EINVAL for 0 or first > last, -ENOMEM, -E2BIG. */
int imap_set_append(struct imap_set *set, imap_uid first, imap_uid last);
void imap_set_normalise(struct imap_set *set);

#endif
