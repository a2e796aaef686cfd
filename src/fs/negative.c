/* A set-associative table: the hash chooses a set of WAYS slots, the oldest of a full set leaves. */
#include "fs/negative.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define WAYS 4u
#define SETS (NEGATIVE_NAMES / WAYS)

struct slot {
	uint64_t dir;
	uint64_t stamp;
	size_t len;
	char *name; /* NULL: free */
};

struct negative {
	pthread_mutex_t lock;
	uint64_t epoch;                /* guarded by lock */
	uint64_t stamp;                /* guarded by lock */
	struct slot slots[SETS][WAYS]; /* guarded by lock */
	negative_evict_fn *evicted;
	void *user;
};

static struct slot *set_of(struct negative *negative, uint64_t dir, struct slice name)
{
	uint64_t hash = 14695981039346656037u ^ dir;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.ptr[i]) * 1099511628211u;
	hash ^= hash >> 32;
	return negative->slots[hash % SETS];
}

static struct slot *find(struct slot *set, uint64_t dir, struct slice name)
{
	for (size_t i = 0; i < WAYS; i++)
		if (set[i].name && set[i].dir == dir &&
		    slice_eq(name, (struct slice){ set[i].name, set[i].len }))
			return &set[i];
	return NULL;
}

static struct slot *oldest(struct slot *set)
{
	struct slot *slot = &set[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (!set[i].name)
			return &set[i];
		if (set[i].stamp < slot->stamp)
			slot = &set[i];
	}
	return slot;
}

int negative_new(negative_evict_fn *evicted, void *user, struct negative **ret_negative)
{
	struct negative *negative = calloc(1, sizeof(*negative));

	if (!negative)
		return -ENOMEM;
	if (pthread_mutex_init(&negative->lock, NULL)) {
		free(negative);
		return -ENOMEM;
	}
	negative->evicted = evicted;
	negative->user = user;
	*ret_negative = negative;
	return 0;
}

void negative_free(struct negative **negativep)
{
	struct negative *negative = negativep ? *negativep : NULL;

	if (!negative)
		return;
	for (size_t i = 0; i < SETS; i++)
		for (size_t j = 0; j < WAYS; j++)
			free(negative->slots[i][j].name);
	pthread_mutex_destroy(&negative->lock);
	free(negative);
	*negativep = NULL;
}

uint64_t negative_epoch(struct negative *negative)
{
	uint64_t epoch;

	pthread_mutex_lock(&negative->lock);
	epoch = negative->epoch;
	pthread_mutex_unlock(&negative->lock);
	return epoch;
}

bool negative_add(struct negative *negative, uint64_t epoch, uint64_t dir, struct slice name)
{
	char *copy = slice_dup(name);
	struct slot old = { .name = NULL };
	struct slot *set, *slot;
	bool added = false;

	if (!copy)
		return false;
	pthread_mutex_lock(&negative->lock);
	if (epoch == negative->epoch) {
		set = set_of(negative, dir, name);
		slot = find(set, dir, name);
		if (!slot)
			slot = oldest(set);
		old = *slot;
		*slot = (struct slot){ dir, ++negative->stamp, name.len, copy };
		added = true;
	}
	pthread_mutex_unlock(&negative->lock);
	if (!added)
		free(copy);
	if (old.name && !(old.dir == dir && slice_eq(name, (struct slice){ old.name, old.len })))
		negative->evicted(negative->user, old.dir, (struct slice){ old.name, old.len });
	free(old.name);
	return added;
}

bool negative_appeared(struct negative *negative, uint64_t dir, struct slice name)
{
	struct slot *slot;
	bool found = false;

	pthread_mutex_lock(&negative->lock);
	negative->epoch++;
	slot = find(set_of(negative, dir, name), dir, name);
	if (slot) {
		free(slot->name);
		slot->name = NULL;
		found = true;
	}
	pthread_mutex_unlock(&negative->lock);
	return found;
}
