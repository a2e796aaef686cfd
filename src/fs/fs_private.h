/*
 * What the files of the fs layer share: the filesystem itself, a call (one question of
 * the kernel as plain data) and a reply (the answer, computed but not sent).
 *
 * A call is computed by a do_ function in one of two modes: the loop thread tries with
 * STORE_NOWAIT; when that says -EAGAIN the call is copied into a request (request.h) and a
 * worker computes it with STORE_WAIT. Both use the same do_ functions, and both hand the
 * reply to fs_reply.c, the only file that talks to the kernel about a request.
 */
#ifndef FS_FS_PRIVATE_H
#define FS_FS_PRIVATE_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "fs/fs.h"
#include "util/pool.h"

struct negative;
struct notify;
struct request;

/* The kernel keeps what it was told until it is told otherwise. */
#define FS_TIMEOUT_ENDLESS 1e9
#define FS_READ_MAX (1024u * 1024u)
#define FS_NAME_MAX 255u

enum call_op { CALL_LOOKUP, CALL_GETATTR, CALL_LIST, CALL_READ };

struct call {
	enum call_op op;
	uint64_t ino;      /* LOOKUP, LIST: the directory */
	uint64_t offset;   /* READ: bytes; LIST: the position, see dir.c */
	size_t size;       /* READ, LIST: room for the answer */
	bool plus;         /* LIST: with attributes */
	pid_t pid;         /* the thread that asks */
	struct slice name; /* LOOKUP */
};

enum reply_kind { REPLY_ERROR, REPLY_ENTRY, REPLY_ATTR, REPLY_DATA };

struct reply {
	enum reply_kind kind;
	int error; /* REPLY_ERROR: -errno */
	struct fuse_entry_param
		entry;       /* REPLY_ENTRY; ino 0: a name that is missing, to be remembered */
	struct stat attr;    /* REPLY_ATTR */
	double attr_timeout; /* REPLY_ATTR */
	size_t len;          /* REPLY_DATA: so much of the buffer */
	bool grew;           /* REPLY_DATA: the kernel must forget the size before it gets this */
};

/* A file of .imapfs whose content is made when it is looked at (status.c). */
struct status_snapshot {
	pid_t pid;
	int which; /* STATUS_TEXT, STATUS_JSON; 0: free */
	int64_t used_ms;
	struct timespec made;
	char *text;
	size_t len;
};
#define STATUS_SNAPSHOTS 8

struct requests {
	pthread_mutex_t lock;
	struct request *first; /* guarded by lock: everything that waits for a worker */
	size_t count;          /* guarded by lock */
	bool closed;           /* guarded by lock: nothing is deferred any more */
};

struct fs {
	/* fixed after fs_mount() */
	char *source, *mountpoint, *fuse_options, *account, *version;
	bool read_only, debug, auto_unmount;
	int timeout_ms;
	size_t worker_count;
	mode_t file_mode, dir_mode;
	uid_t uid;
	gid_t gid;
	int64_t mounted_s;
	struct store *store;
	struct session *session;
	struct cache *cache;
	struct fuse_session *se;
	bool is_mounted; /* the thread of fs_mount(), fs_loop() and fs_free() */

	char *loop_buf; /* loop thread */
	struct pool *workers;
	struct requests requests;
	struct negative *negative;
	struct notify *notify;

	int wake_fd;          /* eventfd: the control thread should look */
	atomic_bool stopping; /* every new request fails */
	atomic_bool loop_ended;
	atomic_int prime_error;
	pthread_t loop_thread;

	pthread_mutex_t status_lock;
	struct status_snapshot status[STATUS_SNAPSHOTS]; /* guarded by status_lock */
	atomic_uint_least64_t deferred, inline_replies;
};

/* attr.c */
void fs_attr_fill(const struct fs *fs, const struct store_attr *attr, struct stat *ret_stat);
void fs_attr_settle(struct fs *fs,
		    struct store_attr *attr); /* not from a listing: it asks the store */
void fs_attr_entry(const struct fs *fs, const struct store_attr *attr,
		   struct fuse_entry_param *ret_entry);
int do_getattr(struct fs *fs, const struct call *call, enum store_mode mode, struct reply *reply);
void fs_attr_statfs(struct statvfs *ret_statfs);

/* dir.c */
int do_lookup(struct fs *fs, const struct call *call, enum store_mode mode, struct reply *reply);
int do_list(struct fs *fs, const struct call *call, enum store_mode mode, char *buf,
	    struct reply *reply);

/* A directory listing being written into a buffer of the kernel's size. */
struct listing {
	struct fs *fs;
	char *buf;
	size_t size, used;
	bool plus;
};
/* False when it is full. ino 0 in the entry: the kernel gets name and type alone and looks up when it needs more. */
bool listing_add(struct listing *listing, const char *name, const struct fuse_entry_param *entry,
		 uint64_t next_offset);

/* file.c */
int do_read(struct fs *fs, const struct call *call, enum store_mode mode, char *buf,
	    struct reply *reply);

/* fs_reply.c */
int fs_errno(int err); /* what a program is told for -err */
void fs_reply(fuse_req_t req, const struct reply *reply, const char *data);
void fs_reply_error(fuse_req_t req, int err); /* 0 or -errno */
void fs_reply_xattr(fuse_req_t req, size_t size, struct slice value);
void fs_reply_statfs(fuse_req_t req, const struct statvfs *statfs);
void fs_reply_open(fuse_req_t req, const struct fuse_file_info *fi);
void fs_reply_none(fuse_req_t req);
/* Not implemented, and never to be asked again. */
void fs_reply_never(fuse_req_t req);

/* status.c: the texts, and snapshots of them that one reader sees whole */
enum { STATUS_TEXT = 1, STATUS_JSON };
int fs_status_text(struct fs *fs, char **ret_text, size_t *ret_len);
int fs_status_json(struct fs *fs, char **ret_text, size_t *ret_len);
int fs_status_stat(struct fs *fs, int which, pid_t pid, uint64_t *ret_size,
		   struct timespec *ret_time);
ssize_t fs_status_read(struct fs *fs, int which, pid_t pid, uint64_t offset, char *buf, size_t len);
void fs_status_forget(struct fs *fs, pid_t pid);
void fs_status_release(struct fs *fs);

/* virtual.c: numbers from 2^63 up */
static inline bool virtual_is(uint64_t ino)
{
	return ino >> 63;
}
/* True when `name` in `dir` is ours to answer; then 0 or -errno is in *ret_err. */
bool virtual_lookup(struct fs *fs, const struct call *call, enum store_mode mode,
		    struct reply *reply, int *ret_err);
int virtual_getattr(struct fs *fs, uint64_t ino, pid_t pid, struct reply *reply);
int virtual_list(struct fs *fs, const struct call *call, struct listing *listing);
int virtual_read(struct fs *fs, const struct call *call, char *buf, struct reply *reply);

/* xattr.c */
void fs_xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void fs_xattr_list(fuse_req_t req, fuse_ino_t ino, size_t size);
void fs_xattr_set(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
		  int flags);
void fs_xattr_remove(fuse_req_t req, fuse_ino_t ino, const char *name);

/* ops.c: the table of operations, and how a call gets its answer */
extern const struct fuse_lowlevel_ops fs_ops;
int fs_compute(struct fs *fs, const struct call *call, enum store_mode mode, char *buf,
	       struct reply *reply);

/* mount.c */
int fs_mount_point(struct fs *fs, char **ret_error);
void fs_unmount_point(struct fs *fs);
/* Detaches a mount whose daemon is gone. 0, also where there is none; -errno. */
int fs_detach_dead(const char *path);

#endif
