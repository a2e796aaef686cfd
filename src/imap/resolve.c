/*
 * getaddrinfo() knows no deadline and cannot be interrupted: a thread of its own calls
 * it, and is left to itself when nobody wants the answer any more.
 */
#include "resolve.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/clock.h"

struct lookup {
	atomic_int refs; /* the thread and the caller; the last one frees */
	char *host, *port;
	int done_fd;
	int error;             /* thread; the caller reads it behind done_fd */
	struct addrinfo *list; /* likewise */
};

static void lookup_unref(struct lookup *lookup)
{
	if (atomic_fetch_sub(&lookup->refs, 1) > 1)
		return;
	if (lookup->list)
		freeaddrinfo(lookup->list);
	if (lookup->done_fd >= 0)
		close(lookup->done_fd);
	free(lookup->host);
	free(lookup->port);
	free(lookup);
}

static int lookup_run(const char *host, const char *port, int flags, struct addrinfo **ret_list)
{
	struct addrinfo hints = { .ai_flags = flags | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };

	switch (getaddrinfo(host, port, &hints, ret_list)) {
	case 0: return 0;
	case EAI_MEMORY: return -ENOMEM;
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_SERVICE: return -ENOENT;
	default: return -EAGAIN;
	}
}

static void *lookup_thread(void *arg)
{
	struct lookup *lookup = arg;

	lookup->error = lookup_run(lookup->host, lookup->port, 0, &lookup->list);
	if (write(lookup->done_fd, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
		lookup->error = -EIO; /* the caller's deadline ends it */
	lookup_unref(lookup);
	return NULL;
}

static struct lookup *lookup_new(const char *host, const char *port)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (!lookup)
		return NULL;
	atomic_init(&lookup->refs, 1);
	lookup->host = strdup(host);
	lookup->port = strdup(port);
	lookup->done_fd = eventfd(0, EFD_CLOEXEC);
	if (!lookup->host || !lookup->port || lookup->done_fd < 0) {
		lookup_unref(lookup);
		return NULL;
	}
	return lookup;
}

static int lookup_start(struct lookup *lookup)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	atomic_fetch_add(&lookup->refs, 1);
	err = pthread_create(&thread, &attr, lookup_thread, lookup);
	if (err)
		atomic_fetch_sub(&lookup->refs, 1);
	pthread_attr_destroy(&attr);
	return -err;
}

static int lookup_wait(struct lookup *lookup, int64_t deadline_ms, int stop_fd)
{
	struct pollfd fds[2] = { { .fd = lookup->done_fd, .events = POLLIN },
				 { .fd = stop_fd, .events = POLLIN } };

	for (;;) {
		int64_t left = deadline_ms - clock_ms();

		if (poll(fds, 2, left < 0 ? 0 : (int)left) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents)
			return -ECANCELED;
		if (fds[0].revents) {
			uint64_t value;

			/* Also what orders the thread's writes before our reads. */
			return read(lookup->done_fd, &value, sizeof(value)) < 0 ? -EIO : 0;
		}
		if (left <= 0)
			return -ETIMEDOUT;
	}
}

int resolve_host(const char *host, const char *port, int64_t deadline_ms, int stop_fd,
		 struct addrinfo **ret_list)
{
	struct lookup *lookup;
	int err;

	/* Addresses in figures need no name service. */
	if (!lookup_run(host, port, AI_NUMERICHOST, ret_list))
		return 0;
	lookup = lookup_new(host, port);
	if (!lookup)
		return -ENOMEM;
	err = lookup_start(lookup);
	if (!err)
		err = lookup_wait(lookup, deadline_ms, stop_fd);
	if (!err)
		err = lookup->error;
	if (!err) {
		*ret_list = lookup->list;
		lookup->list = NULL;
	}
	lookup_unref(lookup);
	return err;
}
