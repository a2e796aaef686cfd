/*
 * The bump allocator. Blocks grow by doubling, so a large response costs few calls
 * of malloc; after a reset one block of moderate size stays, so that the usual
 * responses cost none and one giant is not paid for ever.
 */
#include "util/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK_MIN (16u * 1024)
#define ARENA_BLOCK_MAX (1024u * 1024)
#define ARENA_BLOCK_KEEP (256u * 1024) /* what a reset may leave allocated */
#define ARENA_ALIGN 8u

struct arena_block {
	struct arena_block *next;
	size_t size; /* of data */
	_Alignas(ARENA_ALIGN) char data[];
};

void arena_init(struct arena *arena, size_t cap)
{
	*arena = (struct arena){ .cap = cap };
}

static void block_free_all(struct arena_block *block, const struct arena_block *keep)
{
	while (block) {
		struct arena_block *next = block->next;

		if (block != keep)
			free(block);
		block = next;
	}
}

void arena_release(struct arena *arena)
{
	block_free_all(arena->first, NULL);
	arena_init(arena, arena->cap);
}

void arena_reset(struct arena *arena)
{
	struct arena_block *keep = arena->current;

	arena->used = 0;
	if (!keep || (keep == arena->first && keep->size <= ARENA_BLOCK_KEEP)) {
		arena->total = 0;
		return;
	}
	if (keep->size > ARENA_BLOCK_KEEP)
		keep = arena->first->size <= ARENA_BLOCK_KEEP ? arena->first : NULL;
	block_free_all(arena->first, keep);
	if (keep)
		keep->next = NULL;
	arena->first = arena->current = keep;
	arena->total = 0;
}

/* `total` counts what blocks hold behind the current one's start: the cap is about memory, so
 * whole blocks count, but the block that a reset kept is free of charge until it is full. */
static struct arena_block *block_new(struct arena *arena, size_t need)
{
	size_t size = arena->current ? arena->current->size * 2 : ARENA_BLOCK_MIN;
	size_t spent = arena->total + (arena->current ? arena->current->size : 0);
	struct arena_block *block;

	if (size > ARENA_BLOCK_MAX)
		size = ARENA_BLOCK_MAX;
	if (spent >= arena->cap || need > arena->cap - spent)
		return NULL;
	if (size < need)
		size = need;
	if (size > arena->cap - spent)
		size = arena->cap - spent;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	block->next = NULL;
	block->size = size;
	if (arena->current)
		arena->current->next = block;
	else
		arena->first = block;
	arena->total = spent;
	arena->current = block;
	arena->used = 0;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->current;
	void *ptr;

	if (size > SIZE_MAX - (ARENA_ALIGN - 1))
		return NULL;
	size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (!block || size > block->size - arena->used) {
		block = block_new(arena, size);
		if (!block)
			return NULL;
	}
	ptr = block->data + arena->used;
	arena->used += size;
	return ptr;
}

char *arena_dup(struct arena *arena, struct slice text)
{
	char *copy = arena_alloc(arena, text.len + 1);

	if (!copy)
		return NULL;
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return copy;
}
