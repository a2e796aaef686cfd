/*
 * A request that waits: for a worker, or for the notifier. It is answered exactly once,
 * by whoever claims it first: the worker with what it computed, the kernel's INTERRUPT with
 * EINTR, the deadline or fs_stop() with EIO. The others then find it claimed and leave it alone.
 *
 * Lifetime: references. The libfuse request behind it is valid only for who holds the claim.
 * libfuse calls the interrupt function on the loop thread with a lock of its own held, and
 * unregistering it waits for that; so the claim's holder unregisters before it replies, and the
 * last reference goes only after that. The interrupt function touches nothing after its claim.
 */
#ifndef FS_REQUEST_H
#define FS_REQUEST_H

#include "fs/fs_private.h"

int requests_init(struct requests *requests);
void requests_release(struct requests *requests);
/* Hands the call to a worker; copies it. Always answers in the end, by itself when it cannot defer. */
void request_defer(struct fs *fs, fuse_req_t req, const struct call *call);
/* A reply computed on the loop whose attributes must be invalidated first; copies data. */
void request_reply_later(struct fs *fs, fuse_req_t req, const struct call *call,
			 const struct reply *reply, const char *data);
/* For the notifier: sends what was computed (unless somebody was faster), and lets go. */
void request_finish(struct request *request);
uint64_t request_ino(const struct request *request);
/* Does somebody wait for an answer that concerns this inode? */
bool requests_pending(struct fs *fs, uint64_t ino);
size_t requests_count(struct fs *fs);
/* Answers all with EIO; with `close` nothing can be deferred any more. */
void requests_fail_all(struct fs *fs, bool close);
/* The same for those whose deadline has passed. */
void requests_fail_late(struct fs *fs);

#endif
