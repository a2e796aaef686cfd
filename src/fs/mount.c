/*
 * Mounting and unmounting: options for libfuse, dead mounts in the way, and what libfuse
 * says when it fails.
 */
#include "fs/fs_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/attr.h"
#include "util/buf.h"
#include "util/log.h"

extern char **environ;

/* libfuse's and fusermount3's last words, for the error line. Written while one thread mounts. */
static char fuse_words[256];

static void keep_words(const char *line, size_t len)
{
	while (len && line[len - 1] == '\n')
		len--;
	if (len >= sizeof(fuse_words))
		len = sizeof(fuse_words) - 1;
	memcpy(fuse_words, line, len);
	fuse_words[len] = '\0';
}

static void on_fuse_log(enum fuse_log_level level, const char *fmt, va_list args) ATTR_PRINTF(2, 0);

static void on_fuse_log(enum fuse_log_level level, const char *fmt, va_list args)
{
	char line[256];

	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	if (*line)
		log_debug("fuse: %s", line);
	if (level <= FUSE_LOG_WARNING && *line)
		keep_words(line, strlen(line));
}

/* ---- fusermount3 ------------------------------------------------------------ */

/* It writes its errors to our stderr, and with auto_unmount it stays, with whatever it has got. So while it is started
 * 0 and 1 lead nowhere and 2 into a pipe. */
struct aside {
	int saved[3];
	int pipe;
};

static void aside_begin(struct aside *aside)
{
	int fds[2] = { -1, -1 }, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		fds[0] = fds[1] = -1;
	for (int fd = 0; fd < 3; fd++) {
		int to = fd == STDERR_FILENO ? fds[1] : null;

		aside->saved[fd] = to < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (aside->saved[fd] >= 0)
			dup2(to, fd);
	}
	aside->pipe = fds[0];
	if (fds[1] >= 0)
		close(fds[1]);
	if (null >= 0)
		close(null);
}

/* Puts everything back. What was said to stderr: to `failed` ears its first line, else where it was meant for. */
static void aside_end(struct aside *aside, bool failed)
{
	char text[1024];
	ssize_t len;

	for (int fd = 0; fd < 3; fd++) {
		if (aside->saved[fd] < 0)
			continue;
		dup2(aside->saved[fd], fd);
		close(aside->saved[fd]);
	}
	if (aside->pipe < 0)
		return;
	while ((len = read(aside->pipe, text, sizeof(text) - 1)) > 0) {
		text[len] = '\0';
		if (!failed)
			fputs(text, stderr);
		else if (!*fuse_words)
			keep_words(text, strcspn(text, "\n"));
	}
	close(aside->pipe);
}

static int run_fusermount(const char *path)
{
	const char *const argv[] = { "fusermount3", "-u", "-z", "-q", "--", path, NULL };
	int err, status;
	pid_t pid;

	err = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ);
	if (err)
		return -err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/* An account that is mounted here and alive. A second one on top of it would hide it from everybody, and be
 * what `fusermount3 -u` takes away. */
static bool is_ours(const char *path)
{
	char up[PATH_MAX], status[PATH_MAX];
	struct stat here, above, file;

	return snprintf(up, sizeof(up), "%s/..", path) < (int)sizeof(up) &&
	       snprintf(status, sizeof(status), "%s/.imapfs/status", path) < (int)sizeof(status) &&
	       stat(path, &here) == 0 && here.st_ino == STORE_ROOT && stat(up, &above) == 0 &&
	       here.st_dev != above.st_dev && stat(status, &file) == 0 && S_ISREG(file.st_mode);
}

/* The attributes of a dead mount's root may still be cached; statfs is always asked of the daemon. */
static bool is_dead(const char *path)
{
	struct statvfs vfs;

	return statvfs(path, &vfs) < 0 && errno == ENOTCONN;
}

int fs_detach_dead(const char *path)
{
	int err = 0;

	/* Root may have mounted over a dead mount before: more than one can lie there. */
	for (int i = 0; i < 16 && is_dead(path) && !err; i++)
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			err = run_fusermount(path);
	return err;
}

static int set_error(char **ret_error, int err, const char *fmt, ...) ATTR_PRINTF(3, 4);

static int set_error(char **ret_error, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (vasprintf(ret_error, fmt, args) < 0)
		*ret_error = NULL;
	va_end(args);
	return err;
}

/* A comma or backslash in the source must not end the option. */
static void append_escaped(struct buf *buf, const char *text)
{
	for (; *text; text++) {
		if (*text == ',' || *text == '\\')
			buf_append_char(buf, '\\');
		buf_append_char(buf, *text);
	}
}

static int options_text(struct fs *fs, struct buf *options)
{
	buf_append_str(options, "-osubtype=imapfs,default_permissions,fsname=");
	append_escaped(options, fs->source);
	buf_append_str(options, fs->read_only ? ",ro" : "");
	buf_append_str(options, fs->debug ? ",debug" : "");
	if (fs->fuse_options && *fs->fuse_options)
		buf_appendf(options, ",%s", fs->fuse_options);
	return buf_cstr(options) ? 0 : -ENOMEM;
}

static int session_new(struct fs *fs, char **ret_error)
{
	char program[] = "imapfs";
	struct fuse_args args;
	struct buf options;
	char *argv[3];

	buf_init(&options, 65536);
	if (options_text(fs, &options)) {
		buf_release(&options);
		return set_error(ret_error, -ENOMEM, "out of memory");
	}
	argv[0] = program;
	argv[1] = options.ptr;
	argv[2] = NULL;
	args = (struct fuse_args)FUSE_ARGS_INIT(2, argv);
	fuse_words[0] = '\0';
	fs->se = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), fs);
	fuse_opt_free_args(&args);
	buf_release(&options);
	if (!fs->se)
		return set_error(ret_error, -EINVAL, "FUSE refuses the mount options: %s",
				 fuse_words);
	return 0;
}

static int check_place(struct fs *fs, char **ret_error)
{
	struct stat st;
	char *path;

	if (fs_detach_dead(fs->mountpoint))
		return set_error(ret_error, -ENOTCONN,
				 "%s is a dead mount that cannot be detached: try fusermount3 -u "
				 "%s (or umount, as root)",
				 fs->mountpoint, fs->mountpoint);
	if (stat(fs->mountpoint, &st) < 0)
		return set_error(ret_error, -errno, "mount point %s: %s", fs->mountpoint,
				 strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return set_error(ret_error, -ENOTDIR, "mount point %s is not a directory",
				 fs->mountpoint);
	if (is_ours(fs->mountpoint))
		return set_error(ret_error, -EBUSY,
				 "an account is mounted at %s already: fusermount3 -u %s first, or "
				 "choose another mount point",
				 fs->mountpoint, fs->mountpoint);
	path = realpath(fs->mountpoint, NULL);
	if (!path)
		return set_error(ret_error, -errno, "mount point %s: %s", fs->mountpoint,
				 strerror(errno));
	free(fs->mountpoint);
	fs->mountpoint = path;
	if (geteuid() != 0 && access(path, W_OK) < 0)
		return set_error(ret_error, -EACCES,
				 "mount point %s: you must be allowed to write to it", path);
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return set_error(ret_error, -errno, "cannot use /dev/fuse: %s%s", strerror(errno),
				 errno == ENOENT ? " (is the kernel module fuse loaded?)" : "");
	return 0;
}

int fs_prepare(struct fs *fs, char **ret_error)
{
	int err;

	if (fs->se)
		return 0;
	err = check_place(fs, ret_error);
	if (err)
		return err;
	fuse_set_log_func(on_fuse_log);
	return session_new(fs, ret_error);
}

int fs_mount_point(struct fs *fs, char **ret_error)
{
	struct aside aside;
	int err = fs_prepare(fs, ret_error);

	if (err)
		return err;
	fuse_words[0] = '\0';
	aside_begin(&aside);
	err = fuse_session_mount(fs->se, fs->mountpoint);
	aside_end(&aside, err != 0);
	if (err) {
		fuse_session_destroy(fs->se);
		fs->se = NULL;
		return set_error(ret_error, -EPERM, "cannot mount at %s%s%s", fs->mountpoint,
				 *fuse_words ? ": " : "", fuse_words);
	}
	fs->is_mounted = true;
	return 0;
}

void fs_unmount_point(struct fs *fs)
{
	if (!fs->is_mounted)
		return;
	fs->is_mounted = false;
	fuse_session_unmount(fs->se);
	/* An aborted connection leaves its mount behind, and libfuse takes it for unmounted. */
	if (fs_detach_dead(fs->mountpoint))
		log_warning("%s: a dead mount stays behind: fusermount3 -u %s", fs->mountpoint,
			    fs->mountpoint);
}
