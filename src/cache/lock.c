/*
 * The lock is on the open file (F_OFD_SETLK): it ends with the process, it does not end when some
 * library opens and closes the same file, and it passes through fork(). The pid stands in the file
 * for people only; nothing depends on it. The file is never removed: two daemons could then hold
 * locks on two files of one name.
 */
#include "cache/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/num.h"
#include "util/slice.h"

#define POLL_MAX_MS 100

static int lock_try(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

static int lock_holder(int fd)
{
	char text[16];
	uint32_t pid;
	ssize_t len = pread(fd, text, sizeof(text), 0);

	if (len <= 0 || num_u32(slice_trim((struct slice){ text, (size_t)len }), &pid) < 0 ||
	    pid > INT32_MAX)
		return 0;
	return (int)pid;
}

static void lock_sign(int fd)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	/* A full disk must not stop the mount: then the next one just cannot name us. */
	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) != len)
		(void)!ftruncate(fd, 0);
}

int lock_take(const char *dir, int wait_ms, int *ret_fd, int *ret_holder)
{
	int64_t deadline_ms = clock_ms() + wait_ms;
	int pause_ms = 1, fd, r;
	char *path;

	if (asprintf(&path, "%s/lock", dir) < 0)
		return -ENOMEM;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = fd < 0 ? -errno : 0;
	free(path);
	if (r < 0)
		return r;
	while ((r = lock_try(fd)) == -EBUSY && clock_ms() < deadline_ms) {
		struct timespec pause = { .tv_nsec = pause_ms * 1000000L };

		nanosleep(&pause, NULL);
		pause_ms = pause_ms * 2 > POLL_MAX_MS ? POLL_MAX_MS : pause_ms * 2;
	}
	if (r < 0) {
		if (r == -EBUSY)
			*ret_holder = lock_holder(fd);
		close(fd);
		return r;
	}
	lock_sign(fd);
	*ret_fd = fd;
	return 0;
}
