/*
 * The operations as the kernel asks for them. What may need the network becomes a call:
 * computed here and now if it can be, else deferred to a worker. Nothing waits.
 *
 * Files are opened without a word to us: OPEN and OPENDIR are answered ENOSYS once, which the kernel
 * remembers, and so no RELEASE comes either. On a read-only mount FLUSH goes the same way; a writable one will need
 * it for the errors of close(). Nothing can be changed in this version: EROFS, and never ENOSYS, which would
 * be remembered for good.
 */
#include "fs/fs_private.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "fs/request.h"
#include "util/log.h"

#define BACKGROUND_MAX 64 /* the default of 12 makes readers of many files take turns */

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	conn->want |= conn->capable &
		      (FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_EXPORT_SUPPORT |
		       FUSE_CAP_READDIRPLUS | FUSE_CAP_AUTO_INVAL_DATA);
	/* READDIRPLUS_AUTO fails for programs that list a directory to its end before they stat (find, grep -r). With
	 * ATOMIC_O_TRUNC an open that truncates would succeed and nobody would hear of it. From memory, splice is slower. */
	conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ATOMIC_O_TRUNC |
				  FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ |
				  FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
	conn->max_background = BACKGROUND_MAX;
	conn->congestion_threshold = BACKGROUND_MAX * 3 / 4;
	conn->time_gran = 1;
}

int fs_compute(struct fs *fs, const struct call *call, enum store_mode mode, char *buf,
	       struct reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	switch (call->op) {
	case CALL_LOOKUP: return do_lookup(fs, call, mode, reply);
	case CALL_GETATTR: return do_getattr(fs, call, mode, reply);
	case CALL_LIST: return do_list(fs, call, mode, buf, reply);
	case CALL_READ: return do_read(fs, call, mode, buf, reply);
	}
	return -EINVAL;
}

static void serve(fuse_req_t req, struct call *call)
{
	static const char *const names[] = { "lookup", "getattr", "list", "read" };
	struct fs *fs = fuse_req_userdata(req);
	struct reply reply;
	int err;

	if (atomic_load(&fs->stopping)) {
		fs_reply_error(req, -EIO);
		return;
	}
	call->pid = fuse_req_ctx(req)->pid;
	err = fs_compute(fs, call, STORE_NOWAIT, fs->loop_buf, &reply);
	if (fs->debug)
		log_debug("%s%s ino %#llx offset %llu size %zu name \"%.*s\": %s", names[call->op],
			  call->plus ? "+" : "", (unsigned long long)call->ino,
			  (unsigned long long)call->offset, call->size, (int)call->name.len,
			  call->name.len ? call->name.ptr : "",
			  err == -EAGAIN ? "waits"
			  : err          ? strerror(-err)
					 : "ok");
	if (err == -EAGAIN) {
		request_defer(fs, req, call);
		return;
	}
	atomic_fetch_add_explicit(&fs->inline_replies, 1, memory_order_relaxed);
	if (err)
		fs_reply_error(req, err);
	else if (reply.kind == REPLY_DATA && reply.grew)
		request_reply_later(fs, req, call, &reply, fs->loop_buf);
	else
		fs_reply(req, &reply, fs->loop_buf);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call call = { .op = CALL_LOOKUP, .ino = parent, .name = slice_of(name) };

	serve(req, &call);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct call call = { .op = CALL_GETATTR, .ino = ino };

	serve(req, &call);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *fi)
{
	struct call call = { .op = CALL_LIST,
			     .ino = ino,
			     .offset = (uint64_t)offset,
			     .size = size < FS_READ_MAX ? size : FS_READ_MAX };

	serve(req, &call);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			   struct fuse_file_info *fi)
{
	struct call call = { .op = CALL_LIST,
			     .ino = ino,
			     .offset = (uint64_t)offset,
			     .plus = true,
			     .size = size < FS_READ_MAX ? size : FS_READ_MAX };

	serve(req, &call);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	struct call call = { .op = CALL_READ,
			     .ino = ino,
			     .offset = (uint64_t)offset,
			     .size = size < FS_READ_MAX ? size : FS_READ_MAX };

	serve(req, &call);
}

/* Inode numbers lead to the index: there is nothing to count. */
static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	fs_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	fs_reply_none(req);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;

	fs_attr_statfs(&st);
	fs_reply_statfs(req, &st);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fs_reply_never(req);
}

/*
 * With auto_unmount, fusermount3 takes the mount for dead when the daemon is gone and its root cannot be opened: so
 * there opening has to be a question. The answer has the flags that the kernel gives itself otherwise.
 */
static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);

	if (!fs->auto_unmount) {
		fs_reply_never(req);
		return;
	}
	fi->cache_readdir = fi->keep_cache = 1;
	fs_reply_open(req, fi);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);

	if (fs->read_only) {
		fs_reply_never(req);
		return;
	}
	if (virtual_is(ino))
		fs_status_forget(fs, fuse_req_ctx(req)->pid);
	fs_reply_error(req, 0);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	fs_reply_error(req, 0);
}

/* ---- what would change something -------------------------------------------- */

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		       struct fuse_file_info *fi)
{
	fs_reply_error(req, -EROFS);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	fs_reply_error(req, -EROFS);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	fs_reply_error(req, -EROFS);
}

static void op_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fs_reply_error(req, -EROFS);
}

static void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	fs_reply_error(req, -EROFS);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		      const char *new_name, unsigned flags)
{
	fs_reply_error(req, -EROFS);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	fs_reply_error(req, -EROFS);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	fs_reply_error(req, -EROFS);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t offset,
		     struct fuse_file_info *fi)
{
	fs_reply_error(req, -EROFS);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t len,
			 struct fuse_file_info *fi)
{
	fs_reply_error(req, -EROFS);
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t from, off_t from_offset,
			       struct fuse_file_info *from_fi, fuse_ino_t to, off_t to_offset,
			       struct fuse_file_info *to_fi, size_t len, int flags)
{
	fs_reply_error(req, -EROFS);
}

const struct fuse_lowlevel_ops fs_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.read = op_read,
	.statfs = op_statfs,
	.open = op_open,
	.opendir = op_opendir,
	.flush = op_flush,
	.fsync = op_fsync,
	.fsyncdir = op_fsync,
	.getxattr = fs_xattr_get,
	.listxattr = fs_xattr_list,
	/* nothing of the rest succeeds */
	.setattr = op_setattr,
	.setxattr = fs_xattr_set,
	.removexattr = fs_xattr_remove,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_remove,
	.rmdir = op_remove,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.create = op_create,
	.write = op_write,
	.fallocate = op_fallocate,
	.copy_file_range = op_copy_file_range,
};
