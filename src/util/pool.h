/*
 * A fixed number of threads and a bounded queue of jobs in front of them. Jobs run
 * in the order they came. Any thread may submit.
 */
#ifndef UTIL_POOL_H
#define UTIL_POOL_H

#include <stddef.h>

struct pool;

typedef void pool_fn(void *arg);

/* `name` shows in ps -L (at most 12 characters). */
int pool_new(const char *name, size_t threads, size_t queue_cap, struct pool **ret_pool);
/* Stops taking jobs, runs those queued to their end, joins. */
void pool_free(struct pool **pool);
/* -EAGAIN when the queue is full, -ESHUTDOWN after free began. */
int pool_submit(struct pool *pool, pool_fn *fn, void *arg);

#endif
