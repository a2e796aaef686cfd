/*
 * Names: look-up and listings. A listing's position is 0 (nothing said yet), 1 (behind "."), and from
 * POSITION_STORE on the store's cookie plus POSITION_STORE.
 *
 * A missing name is answered from the listing and remembered by the kernel (negative.h).
 */
#include "fs/fs_private.h"

#include <errno.h>
#include <string.h>

#include "fs/negative.h"

#define POSITION_STORE 2u

static void reply_missing(struct reply *reply)
{
	reply->kind = REPLY_ENTRY;
	memset(&reply->entry, 0, sizeof(reply->entry));
	reply->entry.entry_timeout = FS_TIMEOUT_ENDLESS;
}

int do_lookup(struct fs *fs, const struct call *call, enum store_mode mode, struct reply *reply)
{
	struct store_attr attr;
	uint64_t epoch;
	int err;

	if (call->name.len > FS_NAME_MAX)
		return -ENAMETOOLONG;
	if (virtual_lookup(fs, call, mode, reply, &err)) {
		if (err == -ENOENT && reply->kind == REPLY_ENTRY)
			reply_missing(reply);
		else if (err)
			return err;
		return 0;
	}
	epoch = negative_epoch(fs->negative);
	err = store_lookup(fs->store, call->ino, call->name, mode, &attr);
	if (err == -ENOENT && negative_add(fs->negative, epoch, call->ino, call->name)) {
		reply_missing(reply);
		return 0;
	}
	if (err)
		return err;
	fs_attr_settle(fs, &attr);
	reply->kind = REPLY_ENTRY;
	fs_attr_entry(fs, &attr, &reply->entry);
	return 0;
}

bool listing_add(struct listing *listing, const char *name, const struct fuse_entry_param *entry,
		 uint64_t next_offset)
{
	size_t room = listing->size - listing->used, need;

	if (listing->plus)
		need = fuse_add_direntry_plus(NULL, listing->buf + listing->used, room, name, entry,
					      (off_t)next_offset);
	else
		need = fuse_add_direntry(NULL, listing->buf + listing->used, room, name,
					 &entry->attr, (off_t)next_offset);
	if (need > room)
		return false;
	listing->used += need;
	return true;
}

static bool add_store_entry(void *user, struct slice name, const struct store_attr *attr,
			    uint64_t cookie)
{
	struct listing *listing = user;
	struct fuse_entry_param entry;
	char text[FS_NAME_MAX + 1];

	if (name.len == 0 || name.len > FS_NAME_MAX)
		return true;
	memcpy(text, name.ptr, name.len);
	text[name.len] = '\0';
	fs_attr_entry(listing->fs, attr, &entry);
	/* Without attributes, or with a size that a look-up has to settle: number and type still show in d_ino and d_type. */
	if (!attr->is_dir && (!attr->known || attr->size == 0))
		entry.ino = 0;
	return listing_add(listing, text, &entry, cookie + POSITION_STORE);
}

static uint64_t parent_of(struct fs *fs, uint64_t dir)
{
	struct cache_mailbox_row row;

	if (dir == STORE_ROOT || virtual_is(dir) || store_mailbox(fs->store, dir, &row))
		return STORE_ROOT;
	return row.m.parent <= 1 ? STORE_ROOT : (uint64_t)row.m.parent << 32;
}

static void add_dots(struct fs *fs, struct listing *listing, const struct call *call)
{
	struct fuse_entry_param entry;

	memset(&entry, 0, sizeof(entry)); /* the kernel knows both: no inode goes with them */
	entry.attr.st_mode = S_IFDIR;
	if (call->offset == 0) {
		entry.attr.st_ino = call->ino;
		listing_add(listing, ".", &entry, 1);
	}
	entry.attr.st_ino = parent_of(fs, call->ino);
	listing_add(listing, "..", &entry, POSITION_STORE);
}

int do_list(struct fs *fs, const struct call *call, enum store_mode mode, char *buf,
	    struct reply *reply)
{
	struct listing listing = { .fs = fs, .buf = buf, .size = call->size, .plus = call->plus };
	uint64_t cookie = 0;
	int err;

	if (call->offset >= POSITION_STORE)
		cookie = call->offset - POSITION_STORE;
	else
		add_dots(fs, &listing, call);
	if (virtual_is(call->ino))
		err = virtual_list(fs, call, &listing);
	else
		err = store_list(fs->store, call->ino, cookie, mode, add_store_entry, &listing);
	/* What is there goes out; the rest is asked for from where this ends. */
	if (err && listing.used == 0)
		return err;
	reply->kind = REPLY_DATA;
	reply->len = listing.used;
	return 0;
}
