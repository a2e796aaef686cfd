/*
 * The only place that answers the kernel about a request. An answer that the kernel
 * does not want any more (-ENOENT: the request was interrupted) is no error to anybody.
 */
#include "fs/fs_private.h"

#include <errno.h>

int fs_errno(int err)
{
	switch (err < 0 ? -err : err) {
	/* What a program can make sense of goes out as it is. */
	case 0: return 0;
	case EACCES:
	case EBUSY:
	case EDQUOT:
	case EEXIST:
	case EFBIG:
	case EILSEQ:
	case EINTR:
	case EINVAL:
	case EISDIR:
	case ENAMETOOLONG:
	case ENETUNREACH:
	case ENODATA:
	case ENOENT:
	case ENOMEM:
	case ENOSPC:
	case ENOTDIR:
	case ENOTEMPTY:
	case EOPNOTSUPP:
	case EPERM:
	case ERANGE:
	case EROFS:
	case ESTALE:
	case E2BIG: return err < 0 ? -err : err;
	/* The network's words (ENOTCONN above all, which means "the mount is dead") are for the log;
	 * ENOSYS would be remembered by the kernel for good. */
	default: return EIO;
	}
}

void fs_reply_error(fuse_req_t req, int err)
{
	fuse_reply_err(req, fs_errno(err));
}

void fs_reply_never(fuse_req_t req)
{
	fuse_reply_err(req, ENOSYS);
}

void fs_reply_open(fuse_req_t req, const struct fuse_file_info *fi)
{
	fuse_reply_open(req, fi);
}

void fs_reply_none(fuse_req_t req)
{
	fuse_reply_none(req);
}

void fs_reply(fuse_req_t req, const struct reply *reply, const char *data)
{
	switch (reply->kind) {
	case REPLY_ERROR: fs_reply_error(req, reply->error); break;
	case REPLY_ENTRY: fuse_reply_entry(req, &reply->entry); break;
	case REPLY_ATTR: fuse_reply_attr(req, &reply->attr, reply->attr_timeout); break;
	case REPLY_DATA: fuse_reply_buf(req, data, reply->len); break;
	}
}

void fs_reply_xattr(fuse_req_t req, size_t size, struct slice value)
{
	if (size == 0)
		fuse_reply_xattr(req, value.len);
	else if (value.len > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, value.ptr, value.len);
}

void fs_reply_statfs(fuse_req_t req, const struct statvfs *statfs)
{
	fuse_reply_statfs(req, statfs);
}
