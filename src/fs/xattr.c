/*
 * Extended attributes: user.imap.*, from the index alone. Names outside user.* are
 * EOPNOTSUPP and not ENODATA, so that ls -l and write() stop asking for them.
 *
 * Each attribute is a function that appends its value, or says that there is none; listing them is
 * trying them all.
 */
#include "fs/fs_private.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include <imap/date.h>

#include "util/attr.h"
#include "util/buf.h"

#define PREFIX "user.imap."
#define VALUE_MAX 65536u

struct subject {
	struct cache_message_row message;
	struct cache_mailbox_row mailbox;
};

/* False: this subject has no such attribute. */
typedef bool value_fn(const struct subject *subject, struct buf *buf);

struct word {
	uint32_t bit;
	const char *text;
};

static const struct word flag_words[] = {
	{ IMAP_FLAG_SEEN, "\\Seen" },
	{ IMAP_FLAG_ANSWERED, "\\Answered" },
	{ IMAP_FLAG_FLAGGED, "\\Flagged" },
	{ IMAP_FLAG_DELETED, "\\Deleted" },
	{ IMAP_FLAG_DRAFT, "\\Draft" },
	{ IMAP_FLAG_RECENT, "\\Recent" },
	{ 0, NULL },
};

static const struct word attribute_words[] = {
	{ IMAP_ATTR_NOINFERIORS, "\\Noinferiors" },
	{ IMAP_ATTR_NOSELECT, "\\Noselect" },
	{ IMAP_ATTR_NONEXISTENT, "\\NonExistent" },
	{ IMAP_ATTR_HASCHILDREN, "\\HasChildren" },
	{ IMAP_ATTR_HASNOCHILDREN, "\\HasNoChildren" },
	{ IMAP_ATTR_MARKED, "\\Marked" },
	{ IMAP_ATTR_UNMARKED, "\\Unmarked" },
	{ IMAP_ATTR_SUBSCRIBED, "\\Subscribed" },
	{ IMAP_ATTR_REMOTE, "\\Remote" },
	{ 0, NULL },
};

static const struct word use_words[] = {
	{ IMAP_ATTR_ALL, "\\All" },
	{ IMAP_ATTR_ARCHIVE, "\\Archive" },
	{ IMAP_ATTR_DRAFTS, "\\Drafts" },
	{ IMAP_ATTR_FLAGGED, "\\Flagged" },
	{ IMAP_ATTR_IMPORTANT, "\\Important" },
	{ IMAP_ATTR_JUNK, "\\Junk" },
	{ IMAP_ATTR_SENT, "\\Sent" },
	{ IMAP_ATTR_TRASH, "\\Trash" },
	{ 0, NULL },
};

static bool append_words(uint32_t bits, const struct word *words, struct buf *buf)
{
	bool any = false;

	for (; words->text; words++)
		if (bits & words->bit) {
			buf_appendf(buf, "%s%s", buf->len ? " " : "", words->text);
			any = true;
		}
	return any;
}

static bool append_number(uint64_t number, struct buf *buf)
{
	buf_appendf(buf, "%llu", (unsigned long long)number);
	return true;
}

/* ---- messages --------------------------------------------------------------- */

static bool message_uid(const struct subject *s, struct buf *buf)
{
	return append_number(s->message.m.uid, buf);
}

static bool message_flags(const struct subject *s, struct buf *buf)
{
	if (!s->message.m.known)
		return false;
	append_words(s->message.m.flags, flag_words, buf);
	if (s->message.m.keywords.len) {
		if (buf->len)
			buf_append_char(buf, ' ');
		buf_append_slice(buf, s->message.m.keywords);
	}
	return true;
}

static bool message_internaldate(const struct subject *s, struct buf *buf)
{
	char text[IMAP_DATE_SIZE];

	if (!s->message.m.known || imap_date_format(s->message.m.internaldate, text))
		return false;
	buf_append_str(buf, text);
	return true;
}

static bool message_modseq(const struct subject *s, struct buf *buf)
{
	return s->message.m.modseq && append_number(s->message.m.modseq, buf);
}

static bool message_emailid(const struct subject *s, struct buf *buf)
{
	buf_append_slice(buf, s->message.m.emailid);
	return s->message.m.emailid.len != 0;
}

static bool mailbox_name(const struct subject *s, struct buf *buf)
{
	buf_append_slice(buf, s->mailbox.m.utf8);
	return s->mailbox.m.utf8.len != 0;
}

/* ---- mailboxes -------------------------------------------------------------- */

static bool mailbox_delimiter(const struct subject *s, struct buf *buf)
{
	if (!s->mailbox.m.delimiter)
		return false;
	buf_append_char(buf, s->mailbox.m.delimiter);
	return true;
}

static bool mailbox_attributes(const struct subject *s, struct buf *buf)
{
	append_words(s->mailbox.m.attributes, attribute_words, buf);
	append_words(s->mailbox.m.attributes, use_words, buf);
	return s->mailbox.m.wire.len != 0;
}

static bool mailbox_special_use(const struct subject *s, struct buf *buf)
{
	return append_words(s->mailbox.m.attributes, use_words, buf);
}

static bool mailbox_uidvalidity(const struct subject *s, struct buf *buf)
{
	return s->mailbox.m.uidvalidity && append_number(s->mailbox.m.uidvalidity, buf);
}

static bool mailbox_uidnext(const struct subject *s, struct buf *buf)
{
	return s->mailbox.m.uidnext && append_number(s->mailbox.m.uidnext, buf);
}

/* 0 may mean that nobody asked yet; a UIDVALIDITY says that somebody did. */
static bool mailbox_messages(const struct subject *s, struct buf *buf)
{
	return s->mailbox.m.uidvalidity && append_number(s->mailbox.m.messages, buf);
}

static bool mailbox_unseen(const struct subject *s, struct buf *buf)
{
	return s->mailbox.m.uidvalidity && append_number(s->mailbox.m.unseen, buf);
}

static bool mailbox_recent(const struct subject *s, struct buf *buf)
{
	return s->mailbox.m.uidvalidity && append_number(s->mailbox.m.recent, buf);
}

static bool mailbox_highestmodseq(const struct subject *s, struct buf *buf)
{
	return s->mailbox.m.highestmodseq && append_number(s->mailbox.m.highestmodseq, buf);
}

static bool mailbox_subscribed(const struct subject *s, struct buf *buf)
{
	return s->mailbox.m.wire.len &&
	       append_number((s->mailbox.m.attributes & IMAP_ATTR_SUBSCRIBED) != 0, buf);
}

/* ---- the tables ------------------------------------------------------------- */

struct attribute {
	const char *name; /* behind user.imap. */
	value_fn *value;
};

static const struct attribute message_table[] = {
	{ "uid", message_uid },
	{ "flags", message_flags },
	{ "internaldate", message_internaldate },
	{ "modseq", message_modseq },
	{ "emailid", message_emailid },
	{ "mailbox", mailbox_name },
	{ NULL, NULL },
};

static const struct attribute mailbox_table[] = {
	{ "name", mailbox_name },
	{ "delimiter", mailbox_delimiter },
	{ "attributes", mailbox_attributes },
	{ "special_use", mailbox_special_use },
	{ "uidvalidity", mailbox_uidvalidity },
	{ "uidnext", mailbox_uidnext },
	{ "messages", mailbox_messages },
	{ "unseen", mailbox_unseen },
	{ "recent", mailbox_recent },
	{ "highestmodseq", mailbox_highestmodseq },
	{ "subscribed", mailbox_subscribed },
	{ NULL, NULL },
};

/* The table that fits the inode, and what its functions look at. */
static int subject_get(struct fs *fs, uint64_t ino, struct subject *subject,
		       const struct attribute **ret_table)
{
	int err;

	memset(&subject->message.m, 0, sizeof(subject->message.m));
	memset(&subject->mailbox.m, 0, sizeof(subject->mailbox.m));
	if (virtual_is(ino))
		return -ENODATA;
	*ret_table = message_table;
	err = store_message(fs->store, ino, &subject->message, &subject->mailbox);
	if (err != -EISDIR)
		return err;
	*ret_table = mailbox_table;
	err = store_mailbox(fs->store, ino, &subject->mailbox);
	/* The root of an account is no mailbox and has no row of its own. */
	return err == -ENOENT && ino == STORE_ROOT ? -ENODATA : err;
}

static int xattr_value(struct fs *fs, uint64_t ino, const char *name, struct buf *buf)
{
	const struct attribute *table;
	struct subject subject;
	int err;

	if (strncmp(name, "user.", 5) != 0)
		return -EOPNOTSUPP;
	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
		return -ENODATA;
	err = subject_get(fs, ino, &subject, &table);
	if (err)
		return err;
	for (; table->name; table++)
		if (strcmp(name + strlen(PREFIX), table->name) == 0)
			return table->value(&subject, buf) ? buf->error : -ENODATA;
	return -ENODATA;
}

static int xattr_names(struct fs *fs, uint64_t ino, struct buf *names)
{
	const struct attribute *table;
	struct subject subject;
	struct buf value;
	int err = subject_get(fs, ino, &subject, &table);

	if (err)
		return err == -ENODATA ? 0 : err;
	buf_init(&value, VALUE_MAX);
	for (; table->name; table++) {
		buf_clear(&value);
		if (table->value(&subject, &value) && !value.error) {
			buf_appendf(names, PREFIX "%s", table->name);
			buf_append_char(names, '\0');
		}
	}
	buf_release(&value);
	return names->error;
}

void fs_xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct buf value;
	int err;

	buf_init(&value, VALUE_MAX);
	err = xattr_value(fuse_req_userdata(req), ino, name, &value);
	if (err)
		fs_reply_error(req, err);
	else
		fs_reply_xattr(req, size, buf_slice(&value));
	buf_release(&value);
}

void fs_xattr_list(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct buf names;
	int err;

	buf_init(&names, VALUE_MAX);
	err = xattr_names(fuse_req_userdata(req), ino, &names);
	if (err)
		fs_reply_error(req, err);
	else
		fs_reply_xattr(req, size, buf_slice(&names));
	buf_release(&names);
}

void fs_xattr_set(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
		  int flags)
{
	fs_reply_error(req, strncmp(name, "user.", 5) == 0 ? -EROFS : -EOPNOTSUPP);
}

void fs_xattr_remove(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	fs_reply_error(req, strncmp(name, "user.", 5) == 0 ? -EROFS : -EOPNOTSUPP);
}
