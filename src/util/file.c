/* Paths and whole files. Nothing here waits for a network. */
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_CHUNK 4096u

static int dir_make(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int file_mkdirs(const char *path)
{
	char *copy;
	int err = 0;

	if (!*path)
		return -ENOENT;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	for (char *slash = strchr(copy + 1, '/'); slash && !err; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		err = dir_make(copy);
		/* A parent that may not be created may yet exist out of sight. */
		if (err == -EACCES || err == -EROFS || err == -EPERM)
			err = 0;
		*slash = '/';
	}
	if (!err)
		err = dir_make(copy);
	free(copy);
	return err;
}

static int fd_read_all(int fd, struct buf *buf)
{
	for (;;) {
		char chunk[FILE_CHUNK];
		ssize_t got = read(fd, chunk, sizeof(chunk));
		int err;

		if (got == 0)
			return 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		err = buf_append(buf, chunk, (size_t)got);
		explicit_bzero(chunk, sizeof(chunk)); /* it may be a password file */
		if (err)
			return err;
	}
}

int file_read(const char *path, bool is_private, struct buf *buf)
{
	struct buf content;
	struct stat st;
	int fd, err = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	buf_init(&content, buf->cap);
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (S_ISDIR(st.st_mode))
		err = -EISDIR;
	else if (is_private && (st.st_mode & 077))
		err = -EPERM;
	/* All room at once: growing would leave copies of a password on the heap. */
	if (!err && S_ISREG(st.st_mode) && (uint64_t)st.st_size <= content.cap &&
	    !buf_reserve(&content, (size_t)st.st_size))
		err = content.error;
	if (!err)
		err = fd_read_all(fd, &content);
	close(fd);
	if (err) {
		if (content.ptr)
			explicit_bzero(content.ptr, content.size);
		buf_release(&content);
		return err;
	}
	buf_release(buf);
	*buf = content;
	return 0;
}

static int path_join(const char *base, const char *middle, char **ret_path)
{
	struct buf path;

	buf_init(&path, 4096);
	buf_appendf(&path, "%s%s%s/imapfs", base, *middle ? "/" : "", middle);
	if (!buf_cstr(&path)) {
		int err = path.error;

		buf_release(&path);
		return err;
	}
	*ret_path = path.ptr;
	return 0;
}

int file_xdg_dir(const char *var, const char *fallback, char **ret_path)
{
	const char *value = getenv(var), *home;

	/* XDG Base Directory: what is not absolute is invalid and to be ignored. */
	if (value && value[0] == '/')
		return path_join(value, "", ret_path);
	home = getenv("HOME");
	if (!home || home[0] != '/')
		return -ENOENT;
	return path_join(home, fallback, ret_path);
}
