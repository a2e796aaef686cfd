/*
 * The worker threads. Jobs wait in a ring; an idle worker sleeps on `wake`. The
 * workers block all signals, so that those of the process reach its main thread.
 */
#include "util/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct pool_job {
	pool_fn *fn;
	void *arg;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;         /* guarded by lock */
	size_t head, count;    /* guarded by lock: the ring */
	size_t cap;            /* fixed */
	struct pool_job *jobs; /* guarded by lock */
	size_t thread_count;   /* owner thread */
	pthread_t threads[];   /* owner thread */
};

static void *pool_run(void *arg)
{
	struct pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct pool_job job;

		while (pool->count == 0 && !pool->stopping)
			pthread_cond_wait(&pool->wake, &pool->lock);
		if (pool->count == 0)
			break;
		job = pool->jobs[pool->head];
		pool->head = (pool->head + 1) % pool->cap;
		pool->count--;
		pthread_mutex_unlock(&pool->lock);
		job.fn(job.arg);
		pthread_mutex_lock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static int pool_start(struct pool *pool, const char *name, size_t threads)
{
	sigset_t all, before;
	int err = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!err && pool->thread_count < threads) {
		char title[16];

		err = pthread_create(&pool->threads[pool->thread_count], NULL, pool_run, pool);
		if (err)
			break;
		snprintf(title, sizeof(title), "%.12s-%u", name,
			 (unsigned)pool->thread_count % 100);
		pthread_setname_np(pool->threads[pool->thread_count], title);
		pool->thread_count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

int pool_new(const char *name, size_t threads, size_t queue_cap, struct pool **ret_pool)
{
	struct pool *pool;
	int err;

	if (threads == 0 || queue_cap == 0 || threads > SIZE_MAX / 2 / sizeof(pthread_t))
		return -EINVAL;
	pool = calloc(1, sizeof(*pool) + threads * sizeof(pthread_t));
	if (!pool)
		return -ENOMEM;
	pool->cap = queue_cap;
	pool->jobs = calloc(queue_cap, sizeof(*pool->jobs));
	if (!pool->jobs) {
		free(pool);
		return -ENOMEM;
	}
	err = pthread_mutex_init(&pool->lock, NULL);
	if (err)
		goto no_lock;
	err = pthread_cond_init(&pool->wake, NULL);
	if (err)
		goto no_cond;
	err = pool_start(pool, name, threads);
	if (err) {
		pool_free(&pool);
		return err;
	}
	*ret_pool = pool;
	return 0;
no_cond:
	pthread_mutex_destroy(&pool->lock);
no_lock:
	free(pool->jobs);
	free(pool);
	return -err;
}

void pool_free(struct pool **poolp)
{
	struct pool *pool = poolp ? *poolp : NULL;

	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
	for (size_t i = 0; i < pool->thread_count; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->lock);
	free(pool->jobs);
	free(pool);
	*poolp = NULL;
}

int pool_submit(struct pool *pool, pool_fn *fn, void *arg)
{
	int err = 0;

	pthread_mutex_lock(&pool->lock);
	if (pool->stopping) {
		err = -ESHUTDOWN;
	} else if (pool->count == pool->cap) {
		err = -EAGAIN;
	} else {
		pool->jobs[(pool->head + pool->count) % pool->cap] = (struct pool_job){ fn, arg };
		pool->count++;
		pthread_cond_signal(&pool->wake);
	}
	pthread_mutex_unlock(&pool->lock);
	return err;
}
