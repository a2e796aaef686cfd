/*
 * A bump allocator with a cap: everything is freed at once. Blocks are kept for the
 * next round, so a steady state allocates nothing. One owner thread.
 */
#ifndef UTIL_ARENA_H
#define UTIL_ARENA_H

#include <stddef.h>

#include "util/slice.h"

struct arena_block;

struct arena {
	struct arena_block *first, *current;
	size_t used, total, cap;
};

void arena_init(struct arena *arena, size_t cap);
void arena_release(struct arena *arena);
/* Forgets all allocations; keeps at most one block. */
void arena_reset(struct arena *arena);
/* Aligned to 8, not zeroed; NULL when over the cap or out of memory. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_dup(struct arena *arena, struct slice text); /* NUL-terminated */

#endif
