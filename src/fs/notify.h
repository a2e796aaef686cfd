/*
 * What the kernel must forget or may have: one thread sends invalidations, one pushes
 * bodies into the page cache. A notification can block on what a request holds (a directory's lock, a page),
 * so nobody who answers requests ever sends one or waits for one; here they are queued.
 *
 * The queue of invalidations is bounded and coalesces. When names do not fit any more, their whole directory
 * is invalidated instead. Bodies that do not fit are dropped: they are a convenience.
 *
 * Threads: any may queue; nothing is called back with a lock held.
 */
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

#include "fs/fs_private.h"

int notify_new(struct fs *fs, struct notify **ret_notify);
/* After the mount: starts the threads. Before it there is nothing to tell, and what is queued is dropped. */
int notify_start(struct notify *notify);
/* Ends and joins the threads. The loop must go on answering meanwhile, for a notification may hang on a request. */
void notify_stop(struct notify *notify);
void notify_free(struct notify **notify);

void notify_listing(struct notify *notify, uint64_t dir);
void notify_attr(struct notify *notify, uint64_t ino);
void notify_entry(struct notify *notify, uint64_t dir, struct slice name);
void notify_body(struct notify *notify, struct store_body *body);
/* Makes the kernel forget the attributes of the request's inode, then request_finish(). Takes the request when 0. */
int notify_then_finish(struct notify *notify, struct request *request);

struct notify_status {
	size_t queued;
	uint64_t sent, bodies_pushed, bodies_unknown, bodies_dropped, overflows;
};
void notify_status_get(struct notify *notify, struct notify_status *ret_status);

#endif
