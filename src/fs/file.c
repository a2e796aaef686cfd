/*
 * The bytes of messages. A message's size may turn out wrong while it is read (some
 * servers announce sizes that are not what they send):
 *
 *   longer    the kernel must forget the size before it gets the bytes, or it cuts them off: reply->grew
 *             sends the reply through the notifier;
 *   shorter   the short reply says it all; to forget the size first would show the reader bytes that do not exist.
 */
#include "fs/fs_private.h"

int do_read(struct fs *fs, const struct call *call, enum store_mode mode, char *buf,
	    struct reply *reply)
{
	struct store_read_facts facts = { .size_grew = false };
	ssize_t got;

	if (virtual_is(call->ino))
		return virtual_read(fs, call, buf, reply);
	got = store_read(fs->store, call->ino, call->offset, buf, call->size, mode, &facts);
	if (got < 0)
		return (int)got;
	reply->kind = REPLY_DATA;
	reply->len = (size_t)got;
	reply->grew = facts.size_grew;
	return 0;
}
