/* One daemon a cache directory. */
#ifndef CACHE_LOCK_H
#define CACHE_LOCK_H

/* Takes DIR/lock, waiting up to wait_ms; the lock ends when *ret_fd is closed, however this process ends.
 * -EBUSY: *ret_holder is the pid of who has it (0: not known). */
int lock_take(const char *dir, int wait_ms, int *ret_fd, int *ret_holder);

#endif
