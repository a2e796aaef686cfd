/* See request.h for who may touch what. */
#include "fs/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/notify.h"
#include "util/clock.h"
#include "util/log.h"

/* The store ends its waits by itself, within the session's timeouts; this is for what it forgets. A long download
 * may take its time: each read of it is a request of its own. */
#define DEADLINE_TIMEOUTS 10

struct request {
	struct request *prev, *next; /* guarded by fs->requests.lock */
	bool is_listed;              /* guarded by fs->requests.lock */
	struct fs *fs;
	fuse_req_t req;
	atomic_uint refs;
	atomic_bool claimed;
	bool registering, interrupted; /* loop thread */
	int64_t deadline_ms;
	struct call call;
	char name[FS_NAME_MAX + 1];
	struct reply reply; /* of the thread that computes, then of the notifier */
	char *data;
};

int requests_init(struct requests *requests)
{
	return -pthread_mutex_init(&requests->lock, NULL);
}

void requests_release(struct requests *requests)
{
	pthread_mutex_destroy(&requests->lock);
}

static void request_put(struct request *request)
{
	if (atomic_fetch_sub(&request->refs, 1) != 1)
		return;
	free(request->data);
	free(request);
}

static bool request_claim(struct request *request)
{
	bool expected = false;

	return atomic_compare_exchange_strong(&request->claimed, &expected, true);
}

/* On the loop thread, inside libfuse. */
static void on_interrupt(fuse_req_t req, void *data)
{
	struct request *request = data;

	if (request->registering)
		request->interrupted = true; /* libfuse still needs req: see request_register() */
	else if (request_claim(request))
		fs_reply_error(req, -EINTR);
}

/* Claims and answers from any thread but inside on_interrupt(). */
static void request_answer(struct request *request, const struct reply *reply, const char *data)
{
	if (!request_claim(request))
		return;
	fuse_req_interrupt_func(request->req, NULL, NULL);
	fs_reply(request->req, reply, data);
}

static void request_fail(struct request *request, int err)
{
	const struct reply reply = { .kind = REPLY_ERROR, .error = err };

	request_answer(request, &reply, NULL);
}

static int requests_add(struct fs *fs, struct request *request)
{
	struct requests *requests = &fs->requests;
	bool is_first;

	pthread_mutex_lock(&requests->lock);
	if (requests->closed) {
		pthread_mutex_unlock(&requests->lock);
		return -ECANCELED;
	}
	is_first = requests->count++ == 0;
	request->next = requests->first;
	if (requests->first)
		requests->first->prev = request;
	requests->first = request;
	request->is_listed = true;
	atomic_fetch_add(&request->refs, 1);
	pthread_mutex_unlock(&requests->lock);
	if (is_first) {
		/* The control thread sleeps for good while there are no deadlines. */
		uint64_t one = 1;

		if (write(fs->wake_fd, &one, sizeof(one)) < 0)
			log_debug("waking the control thread: %s", strerror(errno));
	}
	return 0;
}

/* Takes it off the list, with the list's reference. False: it was not there any more. */
static bool unlist_locked(struct requests *requests, struct request *request)
{
	if (!request->is_listed)
		return false;
	if (request->prev)
		request->prev->next = request->next;
	else
		requests->first = request->next;
	if (request->next)
		request->next->prev = request->prev;
	request->prev = request->next = NULL;
	request->is_listed = false;
	requests->count--;
	return true;
}

static void requests_remove(struct fs *fs, struct request *request)
{
	bool was_listed;

	pthread_mutex_lock(&fs->requests.lock);
	was_listed = unlist_locked(&fs->requests, request);
	pthread_mutex_unlock(&fs->requests.lock);
	if (was_listed)
		request_put(request);
}

static int request_new(struct fs *fs, fuse_req_t req, const struct call *call,
		       struct request **ret_request)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		return -ENOMEM;
	request->fs = fs;
	request->req = req;
	atomic_init(&request->refs, 1);
	atomic_init(&request->claimed, false);
	request->deadline_ms = clock_ms() + (int64_t)fs->timeout_ms * DEADLINE_TIMEOUTS;
	request->call = *call;
	if (call->name.len > FS_NAME_MAX)
		request->call.name.len = FS_NAME_MAX;
	if (call->name.len)
		memcpy(request->name, call->name.ptr, request->call.name.len);
	request->call.name.ptr = request->name;
	*ret_request = request;
	return 0;
}

/* libfuse calls on_interrupt() from inside when the interrupt was faster than we; a reply there would free
 * what it still uses. */
static void request_register(struct request *request)
{
	request->registering = true;
	fuse_req_interrupt_func(request->req, on_interrupt, request);
	request->registering = false;
	if (request->interrupted)
		request_fail(request, -EINTR);
}

/* Computes on a worker. */
static void request_run(void *arg)
{
	struct request *request = arg;
	struct fs *fs = request->fs;
	struct reply *reply = &request->reply;
	int err = 0;

	if (!atomic_load(&request->claimed)) {
		if (request->call.op == CALL_READ || request->call.op == CALL_LIST) {
			request->data = malloc(request->call.size);
			if (!request->data)
				err = -ENOMEM;
		}
		if (!err)
			err = fs_compute(fs, &request->call, STORE_WAIT, request->data, reply);
		if (err)
			*reply = (struct reply){ .kind = REPLY_ERROR, .error = err };
	}
	if (reply->kind == REPLY_DATA && reply->grew && !atomic_load(&request->claimed) &&
	    notify_then_finish(fs->notify, request) == 0)
		return;
	request_finish(request);
}

void request_finish(struct request *request)
{
	struct fs *fs = request->fs;

	request_answer(request, &request->reply, request->data);
	requests_remove(fs, request);
	request_put(request);
}

uint64_t request_ino(const struct request *request)
{
	return request->call.ino;
}

void request_defer(struct fs *fs, fuse_req_t req, const struct call *call)
{
	struct request *request;
	int err = request_new(fs, req, call, &request);

	if (err) {
		fs_reply_error(req, err);
		return;
	}
	atomic_fetch_add(&fs->deferred, 1);
	request_register(request);
	err = requests_add(fs, request);
	if (!err)
		err = pool_submit(fs->workers, request_run, request);
	if (err) {
		request->reply = (struct reply){ .kind = REPLY_ERROR, .error = -EIO };
		request_finish(request);
	}
}

void request_reply_later(struct fs *fs, fuse_req_t req, const struct call *call,
			 const struct reply *reply, const char *data)
{
	struct request *request;
	int err = request_new(fs, req, call, &request);

	if (!err) {
		request->data = malloc(reply->len ? reply->len : 1);
		if (!request->data) {
			request_put(request);
			err = -ENOMEM;
		}
	}
	if (err) {
		fs_reply_error(req, err);
		return;
	}
	memcpy(request->data, data, reply->len);
	request->reply = *reply;
	request_register(request);
	if (requests_add(fs, request) || notify_then_finish(fs->notify, request))
		request_finish(request);
}

bool requests_pending(struct fs *fs, uint64_t ino)
{
	bool found = false;

	pthread_mutex_lock(&fs->requests.lock);
	for (struct request *r = fs->requests.first; r && !found; r = r->next)
		found = r->call.ino == ino && !atomic_load(&r->claimed);
	pthread_mutex_unlock(&fs->requests.lock);
	return found;
}

size_t requests_count(struct fs *fs)
{
	size_t count;

	pthread_mutex_lock(&fs->requests.lock);
	count = fs->requests.count;
	pthread_mutex_unlock(&fs->requests.lock);
	return count;
}

/* The list's reference becomes the caller's. */
static struct request *take_one(struct fs *fs, int64_t late_ms, bool close)
{
	struct requests *requests = &fs->requests;
	struct request *request;

	pthread_mutex_lock(&requests->lock);
	if (close)
		requests->closed = true;
	for (request = requests->first; request; request = request->next)
		if (request->deadline_ms <= late_ms)
			break;
	if (request)
		unlist_locked(requests, request);
	pthread_mutex_unlock(&requests->lock);
	return request;
}

void requests_fail_all(struct fs *fs, bool close)
{
	struct request *request;

	while ((request = take_one(fs, INT64_MAX, close))) {
		request_fail(request, -EIO);
		request_put(request);
	}
}

void requests_fail_late(struct fs *fs)
{
	struct request *request;

	while ((request = take_one(fs, clock_ms(), false))) {
		log_warning("a request for inode %#llx was given up after %d s",
			    (unsigned long long)request->call.ino,
			    fs->timeout_ms / 1000 * DEADLINE_TIMEOUTS);
		request_fail(request, -EIO);
		request_put(request);
	}
}
