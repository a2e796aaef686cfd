/*
 * Names that the kernel was told do not exist, and remembers. It must be told when
 * one appears; so they are remembered here too, at most NEGATIVE_NAMES of them. What is pushed out
 * is handed to `evicted`, which makes the kernel forget it.
 *
 * A reply computed before a name appeared may be remembered only after it appeared. So
 * who looks a name up takes the epoch first, and negative_add() refuses when anything was added since.
 *
 * Threads: any.
 */
#ifndef FS_NEGATIVE_H
#define FS_NEGATIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/slice.h"

#define NEGATIVE_NAMES 4096u

struct negative;

/* Called with no lock held. */
typedef void negative_evict_fn(void *user, uint64_t dir, struct slice name);

int negative_new(negative_evict_fn *evicted, void *user, struct negative **ret_negative);
void negative_free(struct negative **negative);
uint64_t negative_epoch(struct negative *negative);
/* True when the name is remembered; false: the kernel must not cache its absence. */
bool negative_add(struct negative *negative, uint64_t epoch, uint64_t dir, struct slice name);
/* The name exists now. True when it was remembered: the kernel has to be told. */
bool negative_appeared(struct negative *negative, uint64_t dir, struct slice name);

#endif
