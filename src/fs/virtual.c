/*
 * Names that begin with a dot belong to us. They are looked up, never listed by their
 * parents:
 *
 *   /.imapfs/status, /.imapfs/status.json     what is going on (status.c)
 *   MAILBOX/.uid/UID.eml                      any message by its number: the same inode as by its name
 *
 * Their directories have numbers of their own from 2^63 up. Any other dot name does not exist,
 * without a question to anybody: desktops look for .hidden and .Trash everywhere.
 */
#include "fs/fs_private.h"

#include <errno.h>
#include <string.h>

#include "util/attr.h"
#include "util/num.h"

#define BASE (1ull << 63)
#define INO_IMAPFS (BASE | 1)
#define INO_STATUS (BASE | 2)
#define INO_STATUS_JSON (BASE | 3)
#define UID_DIRS (BASE | 1ull << 56) /* | mailbox id; 1 is the root */

static const struct virtual_file {
	const char *name;
	uint64_t ino;
	int which;
} files[] = {
	{ "status", INO_STATUS, STATUS_TEXT },
	{ "status.json", INO_STATUS_JSON, STATUS_JSON },
};

static const struct virtual_file *file_of(uint64_t ino)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (files[i].ino == ino)
			return &files[i];
	return NULL;
}

static bool is_uid_dir(uint64_t ino)
{
	return ino >> 32 == UID_DIRS >> 32;
}

static uint64_t uid_dir_of(uint64_t mailbox)
{
	return UID_DIRS | (mailbox == STORE_ROOT ? STORE_ROOT : mailbox >> 32);
}

static uint64_t mailbox_of(uint64_t uid_dir)
{
	uint64_t id = uid_dir & UINT32_MAX;

	return id == STORE_ROOT ? STORE_ROOT : id << 32;
}

static void reply_dir(struct fs *fs, uint64_t ino, struct reply *reply)
{
	struct store_attr attr = {
		.ino = ino, .is_dir = true, .known = true, .nlink = 2, .mtime_s = fs->mounted_s
	};

	reply->kind = REPLY_ENTRY;
	fs_attr_entry(fs, &attr, &reply->entry);
}

static int stat_file(struct fs *fs, const struct virtual_file *file, pid_t pid,
		     struct stat *ret_stat)
{
	struct store_attr attr = { .ino = file->ino, .known = true, .nlink = 1 };
	struct timespec made;
	int err = fs_status_stat(fs, file->which, pid, &attr.size, &made);

	if (err)
		return err;
	fs_attr_fill(fs, &attr, ret_stat);
	ret_stat->st_mtim = ret_stat->st_ctim = made;
	return 0;
}

static int lookup_status(struct fs *fs, const struct call *call, struct reply *reply)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (!slice_eqs(call->name, files[i].name))
			continue;
		reply->kind = REPLY_ENTRY;
		memset(&reply->entry, 0, sizeof(reply->entry));
		reply->entry.ino = files[i].ino;
		reply->entry.entry_timeout = FS_TIMEOUT_ENDLESS;
		reply->entry.attr_timeout = 0; /* the size is another each time */
		return stat_file(fs, &files[i], call->pid, &reply->entry.attr);
	}
	reply->kind = REPLY_ENTRY;
	return -ENOENT;
}

/* "5.eml", in the one way a number is written. */
static int parse_uid_name(struct slice name, uint32_t *ret_uid)
{
	const struct slice suffix = SLICE_LIT(".eml");
	uint32_t uid;

	if (name.len <= suffix.len || name.ptr[0] == '0' ||
	    memcmp(name.ptr + name.len - suffix.len, suffix.ptr, suffix.len) != 0)
		return -ENOENT;
	if (num_u32((struct slice){ name.ptr, name.len - suffix.len }, &uid))
		return -ENOENT;
	*ret_uid = uid;
	return 0;
}

static int lookup_uid(struct fs *fs, const struct call *call, enum store_mode mode,
		      struct reply *reply)
{
	struct store_attr attr;
	uint32_t uid;
	int err = parse_uid_name(call->name, &uid);

	if (err) {
		reply->kind = REPLY_ENTRY;
		return err;
	}
	/* Events name messages by their names, so neither answer may be kept by the kernel. */
	reply->kind = REPLY_ERROR;
	err = store_lookup_uid(fs->store, mailbox_of(call->ino), uid, mode, &attr);
	if (err)
		return err;
	fs_attr_settle(fs, &attr);
	reply->kind = REPLY_ENTRY;
	fs_attr_entry(fs, &attr, &reply->entry);
	reply->entry.entry_timeout = 0;
	return 0;
}

/* "." and ".." are asked for by file handles (NFS, open_by_handle_at) alone. */
static int lookup_dots(struct fs *fs, const struct call *call, enum store_mode mode,
		       struct reply *reply)
{
	struct cache_mailbox_row row;
	struct store_attr attr;
	uint64_t ino = call->ino;
	int err;

	if (call->name.len == 2) {
		ino = STORE_ROOT;
		if (is_uid_dir(call->ino))
			ino = mailbox_of(call->ino);
		else if (!virtual_is(call->ino) && store_mailbox(fs->store, call->ino, &row) == 0 &&
			 row.m.parent > 1)
			ino = (uint64_t)row.m.parent << 32;
	}
	if (virtual_is(ino)) {
		err = virtual_getattr(fs, ino, call->pid, reply);
		if (err)
			return err;
		attr = (struct store_attr){ .ino = ino };
		fs_attr_entry(fs, &attr, &reply->entry);
		reply->entry.attr = reply->attr;
		reply->entry.attr_timeout = reply->attr_timeout;
		reply->kind = REPLY_ENTRY;
		return 0;
	}
	err = store_getattr(fs->store, ino, mode, &attr);
	if (err)
		return err;
	fs_attr_settle(fs, &attr);
	reply->kind = REPLY_ENTRY;
	fs_attr_entry(fs, &attr, &reply->entry);
	return 0;
}

static int lookup_in_mailbox(struct fs *fs, const struct call *call, struct reply *reply)
{
	struct cache_mailbox_row row;

	if (call->ino == STORE_ROOT && slice_eqs(call->name, ".imapfs")) {
		reply_dir(fs, INO_IMAPFS, reply);
		return 0;
	}
	if (slice_eqs(call->name, ".uid")) {
		/* A directory may become a mailbox: its absence is not kept. */
		reply->kind = REPLY_ERROR;
		if (store_mailbox(fs->store, call->ino, &row) || row.m.wire.len == 0 ||
		    row.m.attributes & (IMAP_ATTR_NOSELECT | IMAP_ATTR_NONEXISTENT))
			return -ENOENT;
		reply_dir(fs, uid_dir_of(call->ino), reply);
		return 0;
	}
	reply->kind = REPLY_ENTRY;
	return -ENOENT;
}

bool virtual_lookup(struct fs *fs, const struct call *call, enum store_mode mode,
		    struct reply *reply, int *ret_err)
{
	if (slice_eqs(call->name, ".") || slice_eqs(call->name, "..")) {
		*ret_err = lookup_dots(fs, call, mode, reply);
		if (*ret_err)
			reply->kind = REPLY_ERROR;
	} else if (call->ino == INO_IMAPFS) {
		*ret_err = lookup_status(fs, call, reply);
	} else if (is_uid_dir(call->ino)) {
		*ret_err = lookup_uid(fs, call, mode, reply);
	} else if (virtual_is(call->ino)) {
		*ret_err = -ENOTDIR;
	} else if (call->name.len && call->name.ptr[0] == '.') {
		*ret_err = lookup_in_mailbox(fs, call, reply);
	} else {
		return false;
	}
	return true;
}

int virtual_getattr(struct fs *fs, uint64_t ino, pid_t pid, struct reply *reply)
{
	const struct virtual_file *file = file_of(ino);
	struct reply dir;

	reply->kind = REPLY_ATTR;
	if (file) {
		reply->attr_timeout = 0;
		return stat_file(fs, file, pid, &reply->attr);
	}
	if (ino != INO_IMAPFS && !is_uid_dir(ino))
		return -ENOENT;
	reply_dir(fs, ino, &dir);
	reply->attr = dir.entry.attr;
	reply->attr_timeout = FS_TIMEOUT_ENDLESS;
	return 0;
}

/* Positions: 2 + index. A .uid directory lists nothing: it would say the same as its parent. */
int virtual_list(struct fs *fs, const struct call *call, struct listing *listing)
{
	uint64_t index = call->offset < 2 ? 0 : call->offset - 2;

	if (is_uid_dir(call->ino))
		return 0;
	if (call->ino != INO_IMAPFS)
		return -ENOTDIR;
	for (; index < ARRAY_SIZE(files); index++) {
		struct fuse_entry_param entry;

		memset(&entry, 0, sizeof(entry)); /* no inode: sizes are made when somebody looks */
		entry.attr.st_ino = files[index].ino;
		entry.attr.st_mode = S_IFREG;
		if (!listing_add(listing, files[index].name, &entry, index + 3))
			break;
	}
	return 0;
}

int virtual_read(struct fs *fs, const struct call *call, char *buf, struct reply *reply)
{
	const struct virtual_file *file = file_of(call->ino);
	ssize_t got;

	if (!file)
		return -EISDIR;
	got = fs_status_read(fs, file->which, call->pid, call->offset, buf, call->size);
	if (got < 0)
		return (int)got;
	reply->kind = REPLY_DATA;
	reply->len = (size_t)got;
	return 0;
}
