/*
 * Bodies for the page cache: what read-ahead brought goes to the kernel before anybody
 * asks. Bounded in bytes; what does not fit is dropped. A thread of its own, for a page may be
 * locked by a read that waits for the server.
 */
#ifndef FS_FEED_H
#define FS_FEED_H

#include "fs/notify.h"

struct feed;

int feed_new(struct fs *fs, struct feed **ret_feed);
int feed_start(struct feed *feed);
void feed_stop(struct feed *feed);
void feed_free(struct feed **feed);
/* Takes a reference of its own. Any thread. */
void feed_put(struct feed *feed, struct store_body *body);
void feed_status_get(struct feed *feed, struct notify_status *status);

#endif
