/*
 * What stat(2) shows: modes, owners, times and sizes from the store's attributes, with
 * timeouts that never end (the notifier takes back what changes). statfs is made up: the
 * network is never asked for it.
 */
#include "fs/fs_private.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

void fs_attr_fill(const struct fs *fs, const struct store_attr *attr, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = attr->ino;
	st->st_mode = attr->is_dir ? S_IFDIR | fs->dir_mode : S_IFREG | fs->file_mode;
	st->st_nlink = attr->nlink ? attr->nlink : 1;
	st->st_uid = fs->uid;
	st->st_gid = fs->gid;
	st->st_size = (off_t)attr->size;
	/* As many blocks as bytes: fewer would look like holes to tar and cp. */
	st->st_blocks = (blkcnt_t)((attr->size + 511) / 512);
	st->st_blksize = 4096;
	st->st_mtim.tv_sec = st->st_ctim.tv_sec = st->st_atim.tv_sec = attr->mtime_s;
}

void fs_attr_entry(const struct fs *fs, const struct store_attr *attr,
		   struct fuse_entry_param *entry)
{
	memset(entry, 0, sizeof(*entry));
	entry->ino = attr->ino;
	/* A mailbox keeps its directory when UIDVALIDITY changes; a new generation would make the kernel throw away the
	 * inode under the feet of those who stand in it. */
	entry->generation = attr->is_dir ? 0 : attr->generation;
	entry->attr_timeout = FS_TIMEOUT_ENDLESS;
	entry->entry_timeout = FS_TIMEOUT_ENDLESS;
	fs_attr_fill(fs, attr, &entry->attr);
}

/*
 * A file of 0 bytes is never read: the kernel sees its end without asking. So a size of 0 that nobody has proven
 * (some servers say it of every message) is shown as 1, and the first read tells the truth.
 */
void fs_attr_settle(struct fs *fs, struct store_attr *attr)
{
	struct cache_message_row message;
	struct cache_mailbox_row mailbox;

	if (attr->is_dir || !attr->known || attr->size)
		return;
	if (store_message(fs->store, attr->ino, &message, &mailbox) == 0 && !message.m.exact)
		attr->size = 1;
}

int do_getattr(struct fs *fs, const struct call *call, enum store_mode mode, struct reply *reply)
{
	struct store_attr attr;
	int err;

	if (virtual_is(call->ino))
		return virtual_getattr(fs, call->ino, call->pid, reply);
	err = store_getattr(fs->store, call->ino, mode, &attr);
	if (err)
		return err;
	fs_attr_settle(fs, &attr);
	reply->kind = REPLY_ATTR;
	reply->attr_timeout = FS_TIMEOUT_ENDLESS;
	fs_attr_fill(fs, &attr, &reply->attr);
	return 0;
}

/* Large and almost empty: nobody who asks "is there room" is kept from working. */
void fs_attr_statfs(struct statvfs *st)
{
	memset(st, 0, sizeof(*st));
	st->f_bsize = st->f_frsize = 4096;
	st->f_blocks = 1ull << 28;
	st->f_bfree = st->f_bavail = st->f_blocks;
	st->f_files = 1ull << 32;
	st->f_ffree = st->f_favail = st->f_files;
	st->f_namemax = FS_NAME_MAX;
}
