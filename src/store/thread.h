/* Threads of the store: named, and deaf to signals, which are the main thread's. */
#ifndef STORE_THREAD_H
#define STORE_THREAD_H

#include <pthread.h>
#include <signal.h>

/* 0 or -errno. `name`: at most 15 characters. */
static inline int thread_start(pthread_t *ret_thread, const char *name, void *(*fn)(void *),
			       void *arg)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(ret_thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		pthread_setname_np(*ret_thread, name);
	return r;
}

#endif
