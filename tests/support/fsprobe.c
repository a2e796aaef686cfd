/*
 * fsprobe: one file operation, and exactly what the kernel said about it.
 *
 * A shell cannot see an errno, a nanosecond or an inode of 64 bits through a tool's message; the
 * end-to-end tests ask this program instead. Each command prints "ok" (and values, "key=value"
 * separated by blanks) or the symbolic errno ("EROFS"), and exits 0 either way; exit 2 is a wrong
 * call. It decides nothing about what is right.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

struct command {
	const char *name;
	int args; /* exactly */
	const char *usage;
	int (*run)(char **argv); /* 0: has printed; -errno: main prints it */
};

static int print_ok(void)
{
	puts("ok");
	return 0;
}

static int result(int ret)
{
	return ret < 0 ? -errno : print_ok();
}

static int run_stat(char **argv)
{
	struct stat st;

	if (lstat(argv[0], &st))
		return -errno;
	printf("ok type=%s mode=%04o ino=%" PRIu64 " nlink=%" PRIu64 " uid=%u gid=%u size=%" PRId64
	       " mtime=%" PRId64 " mtime_ns=%ld ctime=%" PRId64 " blocks=%" PRId64 "\n",
	       S_ISREG(st.st_mode)   ? "file"
	       : S_ISDIR(st.st_mode) ? "dir"
				     : "other",
	       (unsigned)(st.st_mode & 07777), (uint64_t)st.st_ino, (uint64_t)st.st_nlink,
	       (unsigned)st.st_uid, (unsigned)st.st_gid, (int64_t)st.st_size,
	       (int64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (int64_t)st.st_ctim.tv_sec,
	       (int64_t)st.st_blocks);
	return 0;
}

static int run_statx(char **argv)
{
	struct statx stx;

	if (statx(AT_FDCWD, argv[0], AT_SYMLINK_NOFOLLOW | AT_STATX_FORCE_SYNC, STATX_ALL, &stx))
		return -errno;
	printf("ok mask=%#x size=%" PRIu64 " ino=%" PRIu64 " mtime=%" PRId64 " ctime=%" PRId64
	       " btime=%" PRId64 "\n",
	       stx.stx_mask, (uint64_t)stx.stx_size, (uint64_t)stx.stx_ino,
	       (int64_t)stx.stx_mtime.tv_sec, (int64_t)stx.stx_ctime.tv_sec,
	       (stx.stx_mask & STATX_BTIME) ? (int64_t)stx.stx_btime.tv_sec : (int64_t)-1);
	return 0;
}

static int run_statfs(char **argv)
{
	struct statvfs st;

	if (statvfs(argv[0], &st))
		return -errno;
	printf("ok bsize=%lu blocks=%" PRIu64 " bfree=%" PRIu64 " files=%" PRIu64
	       " namemax=%lu readonly=%d\n",
	       st.f_bsize, (uint64_t)st.f_blocks, (uint64_t)st.f_bfree, (uint64_t)st.f_files,
	       st.f_namemax, (st.f_flag & ST_RDONLY) != 0);
	return 0;
}

/* The open itself may succeed and the error come later: everything up to close counts. */
static int open_and(const char *path, int flags, const char *text)
{
	int fd, err = 0;

	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (text && write(fd, text, strlen(text)) < 0)
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err ? err : print_ok();
}

static int run_read(char **argv)
{
	char buf[65536];
	uint64_t total = 0;
	ssize_t n;
	int fd;

	fd = open(argv[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		total += (uint64_t)n;
	if (n < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	close(fd);
	printf("ok bytes=%" PRIu64 "\n", total);
	return 0;
}

static int run_open_write(char **argv)
{
	return open_and(argv[0], O_WRONLY, "x");
}

static int run_open_rdwr(char **argv)
{
	return open_and(argv[0], O_RDWR, NULL);
}

static int run_append(char **argv)
{
	return open_and(argv[0], O_WRONLY | O_APPEND, "x");
}

static int run_truncate_open(char **argv)
{
	return open_and(argv[0], O_WRONLY | O_TRUNC, NULL);
}

static int run_create(char **argv)
{
	return open_and(argv[0], O_WRONLY | O_CREAT | O_EXCL, "Subject: x\r\n\r\n");
}

static int run_truncate(char **argv)
{
	return result(truncate(argv[0], 0));
}

static int run_unlink(char **argv)
{
	return result(unlink(argv[0]));
}

static int run_mkdir(char **argv)
{
	return result(mkdir(argv[0], 0700));
}

static int run_rmdir(char **argv)
{
	return result(rmdir(argv[0]));
}

static int run_mknod(char **argv)
{
	return result(mknod(argv[0], S_IFREG | 0600, 0));
}

static int run_mkfifo(char **argv)
{
	return result(mkfifo(argv[0], 0600));
}

static int run_symlink(char **argv)
{
	return result(symlink(argv[0], argv[1]));
}

static int run_link(char **argv)
{
	return result(link(argv[0], argv[1]));
}

static int run_rename(char **argv)
{
	return result(rename(argv[0], argv[1]));
}

static int run_exchange(char **argv)
{
	return result(renameat2(AT_FDCWD, argv[0], AT_FDCWD, argv[1], RENAME_EXCHANGE));
}

static int run_chmod(char **argv)
{
	return result(chmod(argv[0], 0644));
}

static int run_chown(char **argv)
{
	return result(chown(argv[0], getuid(), getgid()));
}

static int run_utimens(char **argv)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	return result(utimensat(AT_FDCWD, argv[0], times, 0));
}

static int run_setxattr(char **argv)
{
	return result(setxattr(argv[0], argv[1], argv[2], strlen(argv[2]), 0));
}

static int run_removexattr(char **argv)
{
	return result(removexattr(argv[0], argv[1]));
}

static int run_getxattr(char **argv)
{
	char value[65536];
	ssize_t n;

	n = getxattr(argv[0], argv[1], value, sizeof(value) - 1);
	if (n < 0)
		return -errno;
	value[n] = '\0';
	printf("ok %s\n", value);
	return 0;
}

static int run_fallocate(char **argv)
{
	int fd, err = 0;

	fd = open(argv[0], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, 1 << 20))
		err = -errno;
	close(fd);
	return err ? err : print_ok();
}

static int run_access(char **argv)
{
	return result(access(argv[0], W_OK));
}

/* A shared mapping shows what the page cache holds, which read() does not always. */
static int run_mmap(char **argv)
{
	struct stat st;
	void *map;
	int fd, err = 0;

	fd = open(argv[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		err = -errno;
		goto out;
	}
	if (st.st_size == 0)
		goto out;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		err = -errno;
		goto out;
	}
	if (fwrite(map, 1, (size_t)st.st_size, stdout) != (size_t)st.st_size)
		err = -EIO;
	munmap(map, (size_t)st.st_size);
out:
	close(fd);
	return err;
}

/* What readdir says, type included, in the order it says it. */
static int run_list(char **argv)
{
	struct dirent *entry;
	DIR *dir;

	dir = opendir(argv[0]);
	if (!dir)
		return -errno;
	while (errno = 0, (entry = readdir(dir)))
		printf("%c %" PRIu64 " %s\n",
		       entry->d_type == DT_DIR   ? 'd'
		       : entry->d_type == DT_REG ? 'f'
						 : '?',
		       (uint64_t)entry->d_ino, entry->d_name);
	int err = -errno;

	closedir(dir);
	return err;
}

static const struct command commands[] = {
	{ "stat", 1, "PATH", run_stat },
	{ "statx", 1, "PATH", run_statx },
	{ "statfs", 1, "PATH", run_statfs },
	{ "list", 1, "DIR (d|f|? INODE NAME, a line each)", run_list },
	{ "read", 1, "PATH", run_read },
	{ "mmap", 1, "PATH (bytes to stdout)", run_mmap },
	{ "access-write", 1, "PATH", run_access },
	{ "open-write", 1, "PATH", run_open_write },
	{ "open-rdwr", 1, "PATH", run_open_rdwr },
	{ "open-trunc", 1, "PATH", run_truncate_open },
	{ "append", 1, "PATH", run_append },
	{ "create", 1, "PATH", run_create },
	{ "truncate", 1, "PATH", run_truncate },
	{ "fallocate", 1, "PATH", run_fallocate },
	{ "unlink", 1, "PATH", run_unlink },
	{ "mkdir", 1, "PATH", run_mkdir },
	{ "rmdir", 1, "PATH", run_rmdir },
	{ "mknod", 1, "PATH", run_mknod },
	{ "mkfifo", 1, "PATH", run_mkfifo },
	{ "symlink", 2, "TARGET PATH", run_symlink },
	{ "link", 2, "OLD NEW", run_link },
	{ "rename", 2, "OLD NEW", run_rename },
	{ "exchange", 2, "A B", run_exchange },
	{ "chmod", 1, "PATH", run_chmod },
	{ "chown", 1, "PATH", run_chown },
	{ "utimens", 1, "PATH", run_utimens },
	{ "getxattr", 2, "PATH NAME", run_getxattr },
	{ "setxattr", 3, "PATH NAME VALUE", run_setxattr },
	{ "removexattr", 2, "PATH NAME", run_removexattr },
};

int main(int argc, char **argv)
{
	const size_t count = sizeof(commands) / sizeof(commands[0]);
	int err;

	for (size_t i = 0; argc > 1 && i < count; i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		if (argc - 2 != commands[i].args) {
			fprintf(stderr, "fsprobe %s %s\n", commands[i].name, commands[i].usage);
			return 2;
		}
		err = commands[i].run(argv + 2);
		if (err < 0)
			puts(strerrorname_np(-err) ? strerrorname_np(-err) : "EUNKNOWN");
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, "fsprobe %s %s\n", commands[i].name, commands[i].usage);
	return 2;
}
