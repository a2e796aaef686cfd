/* See feed.h. The kernel answers -ENOENT for inodes it has not looked up; then its pages would hang nowhere. */
#include "fs/feed.h"

#include <errno.h>
#include <stdlib.h>

#define FEED_BYTES (4u * 1024 * 1024)

struct item {
	struct item *next;
	struct store_body *body;
};

struct feed {
	struct fs *fs;
	pthread_t thread;
	bool has_thread; /* owner: who starts and stops */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct item *head, **tail;         /* guarded by lock */
	size_t bytes;                      /* guarded by lock */
	bool running, stopping;            /* guarded by lock */
	uint64_t pushed, unknown, dropped; /* guarded by lock */
};

void feed_put(struct feed *feed, struct store_body *body)
{
	struct item *item = malloc(sizeof(*item));

	if (!item)
		return;
	item->next = NULL;
	item->body = store_body_get(body);
	pthread_mutex_lock(&feed->lock);
	if (feed->running && !feed->stopping && feed->bytes + body->len <= FEED_BYTES) {
		feed->bytes += body->len;
		*feed->tail = item;
		feed->tail = &item->next;
		pthread_cond_signal(&feed->wake);
		item = NULL;
	} else {
		feed->dropped++;
	}
	pthread_mutex_unlock(&feed->lock);
	if (item) {
		store_body_put(&item->body);
		free(item);
	}
}

/* The store promises that the body is the whole message and as long as the index says (store.h), so
 * there is nothing to look up: that would cost as much as the push itself. */
static int push(struct feed *feed, const struct store_body *body)
{
	struct fuse_bufvec vec = FUSE_BUFVEC_INIT(body->len);

	vec.buf[0].mem = (void *)body->data;
	return fuse_lowlevel_notify_store(feed->fs->se, body->ino, (off_t)body->offset, &vec, 0);
}

static struct item *feed_pop_locked(struct feed *feed)
{
	struct item *item = feed->head;

	feed->head = item->next;
	if (!feed->head)
		feed->tail = &feed->head;
	feed->bytes -= item->body->len;
	return item;
}

static void *feed_run(void *arg)
{
	struct feed *feed = arg;

	pthread_mutex_lock(&feed->lock);
	while (!feed->stopping) {
		struct item *item;
		int err;

		if (!feed->head) {
			pthread_cond_wait(&feed->wake, &feed->lock);
			continue;
		}
		item = feed_pop_locked(feed);
		pthread_mutex_unlock(&feed->lock);
		err = push(feed, item->body);
		store_body_put(&item->body);
		free(item);
		pthread_mutex_lock(&feed->lock);
		if (err)
			feed->unknown++;
		else
			feed->pushed++;
	}
	pthread_mutex_unlock(&feed->lock);
	return NULL;
}

int feed_new(struct fs *fs, struct feed **ret_feed)
{
	struct feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return -ENOMEM;
	feed->fs = fs;
	feed->tail = &feed->head;
	if (pthread_mutex_init(&feed->lock, NULL)) {
		free(feed);
		return -ENOMEM;
	}
	if (pthread_cond_init(&feed->wake, NULL)) {
		pthread_mutex_destroy(&feed->lock);
		free(feed);
		return -ENOMEM;
	}
	*ret_feed = feed;
	return 0;
}

int feed_start(struct feed *feed)
{
	int err = -pthread_create(&feed->thread, NULL, feed_run, feed);

	if (err)
		return err;
	feed->has_thread = true;
	pthread_setname_np(feed->thread, "feed");
	pthread_mutex_lock(&feed->lock);
	feed->running = true;
	pthread_mutex_unlock(&feed->lock);
	return 0;
}

void feed_stop(struct feed *feed)
{
	pthread_mutex_lock(&feed->lock);
	feed->stopping = true;
	pthread_cond_broadcast(&feed->wake);
	pthread_mutex_unlock(&feed->lock);
	if (feed->has_thread)
		pthread_join(feed->thread, NULL);
	feed->has_thread = false;
	while (feed->head) { /* nobody else is left: feed_put() refuses */
		struct item *item = feed_pop_locked(feed);

		store_body_put(&item->body);
		free(item);
	}
}

void feed_free(struct feed **feedp)
{
	struct feed *feed = feedp ? *feedp : NULL;

	if (!feed)
		return;
	feed_stop(feed);
	pthread_cond_destroy(&feed->wake);
	pthread_mutex_destroy(&feed->lock);
	free(feed);
	*feedp = NULL;
}

void feed_status_get(struct feed *feed, struct notify_status *status)
{
	pthread_mutex_lock(&feed->lock);
	status->bodies_pushed = feed->pushed;
	status->bodies_unknown = feed->unknown;
	status->bodies_dropped = feed->dropped;
	pthread_mutex_unlock(&feed->lock);
}
