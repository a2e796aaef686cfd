/* Names and attributes of what the index holds: look-up and stat. The network is asked only
 * where the index cannot know yet. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/private.h"
#include "util/buf.h"

#define EML_NAMES_MAX (64u * 1024) /* text of child mailboxes called like messages */

void mailbox_attr(struct store *store, const struct cache_mailbox *mailbox,
		  struct store_attr *ret_attr)
{
	*ret_attr = (struct store_attr){
		.ino = box_ino(mailbox->id),
		.generation = mailbox->uidvalidity,
		.is_dir = true,
		.known = true,
		.mtime_s = mailbox->mtime_s != 0 ? mailbox->mtime_s : store->opened_wall_s,
		/* find(1) takes 2 for "no directories in here" and 1 for "cannot say". */
		.nlink = mailbox->attributes & IMAP_ATTR_HASNOCHILDREN ? 2 : 1,
	};
}

void message_attr(const struct cache_message *message, uint32_t uidvalidity,
		  struct store_attr *ret_attr)
{
	*ret_attr = (struct store_attr){
		.ino = message_ino(message),
		.generation = uidvalidity,
		.known = message->known,
		.size = message->size,
		.mtime_s = message->internaldate,
		.nlink = 1,
	};
}

/* ---- names that collide with child mailboxes ----------------------------------------- */

struct eml_collect {
	struct buf text;
	uint32_t last;
	size_t seen;
};

static int collect_eml(void *user, const struct cache_mailbox *child)
{
	struct eml_collect *collect = user;

	collect->last = child->id;
	collect->seen++;
	if (child->name.len > 4 && memcmp(child->name.ptr + child->name.len - 4, ".eml", 4) == 0) {
		buf_append_slice(&collect->text, child->name);
		buf_append_char(&collect->text, '\0');
	}
	return 0;
}

int eml_names_load(struct store *store, struct box *box, struct eml_names *ret_names)
{
	struct eml_collect collect = { .last = 0 };
	int r = 0;

	*ret_names = (struct eml_names){ NULL, 0 };
	if (atomic_load(&box->eml_children) == 1)
		return 0;
	buf_init(&collect.text, EML_NAMES_MAX);
	do {
		collect.seen = 0;
		r = cache_mailbox_children(store->cache, box->id, collect.last, 512, collect_eml,
					   &collect);
	} while (r == 0 && collect.seen == 512);
	if (r != 0) {
		buf_release(&collect.text);
		return r;
	}
	atomic_store(&box->eml_children, collect.text.len > 0 ? 2 : 1);
	*ret_names = (struct eml_names){ collect.text.ptr, collect.text.len };
	return 0;
}

void eml_names_release(struct eml_names *names)
{
	free(names->text);
	*names = (struct eml_names){ NULL, 0 };
}

bool eml_names_have(const struct eml_names *names, struct slice name)
{
	for (const char *at = names->text; at != NULL && at < names->text + names->len;
	     at += strlen(at) + 1)
		if (slice_eqs(name, at))
			return true;
	return false;
}

size_t message_plain_name(struct store *store, const struct cache_message *message,
			  char name[static MSGNAME_SIZE])
{
	if (store->names == STORE_NAMES_UID)
		return msgname_uid(message->uid, name);
	if (message->name.len == 0 ||
	    message->name.len > MSGNAME_MAX) /* left by names=uid, or by nobody of ours */
		return msgname_readable(message->internaldate, NULL, message->uid, name);
	memcpy(name, message->name.ptr, message->name.len);
	name[message->name.len] = '\0';
	return message->name.len;
}

size_t message_name(struct store *store, struct box *box, const struct cache_message *message,
		    char name[static MSGNAME_SIZE])
{
	size_t len = message_plain_name(store, message, name);
	struct cache_mailbox_row child;
	struct eml_names taken;

	if (atomic_load(&box->eml_children) == 0 && eml_names_load(store, box, &taken) == 0)
		eml_names_release(&taken); /* only to know whether there are any */
	if (atomic_load(&box->eml_children) != 1 &&
	    cache_mailbox_by_name(store->cache, box->id, (struct slice){ name, len }, &child) == 0)
		len = msgname_avoid(len, name);
	return len;
}

/* ---- look-up ------------------------------------------------------------------------ */

/* Reads the row, and where its attributes (or its name, when that is wanted) are missing waits until
 * a sync brings them. 0, -EAGAIN (NOWAIT), or an error. */
static int get_known(struct store *store, struct box *box, imap_uid uid, bool named,
		     enum store_mode mode, struct cache_message_row *ret_row)
{
	bool started = false;

	while (true) {
		struct sync_mark mark;
		int r;

		sync_look(store, box, &mark);
		r = cache_message_get(store->cache, mark.number, uid, ret_row);
		if (r != 0 || (ret_row->m.known && (!named || message_named(store, &ret_row->m))))
			return r;
		if (mode == STORE_NOWAIT)
			return -EAGAIN;
		if (!mark.busy) {
			if (started && ret_row->m.known) /* the server is away: any name will do */
				return 0;
			if (started)
				return mark.error != 0 ? mark.error : -EIO;
			started = true;
			r = sync_start(store, box);
		} else {
			started = true;
			r = sync_wait_step(store, &mark, CLOCK_NEVER);
		}
		if (r != 0)
			return r;
	}
}

/* The box of a directory with messages, its number known. */
static int box_of_mailbox(struct store *store, const struct cache_mailbox *mailbox,
			  struct box **ret_box)
{
	struct box *box = box_get(store, mailbox->id);

	if (box == NULL)
		return -ENOMEM;
	box_learn(store, box, mailbox);
	*ret_box = box;
	return 0;
}

/* Whether the absence of a name in the index means that there is none. */
static bool listing_trusted(struct store *store, struct box *box,
			    const struct cache_mailbox *mailbox)
{
	struct sync_mark mark;

	sync_look(store, box, &mark);
	return mailbox->listed && mark.uid_lists > 0;
}

/* Which message a name means; only its UID and whether the rest of the name is right. -ENOENT. */
static int find_named(struct store *store, struct box *box, struct slice name, enum store_mode mode,
		      struct cache_message_row *ret_row)
{
	char shown[MSGNAME_SIZE];
	bool avoided;
	imap_uid uid = msgname_parse(name, &avoided);
	int r;

	if (uid == 0)
		return -ENOENT;
	r = get_known(store, box, uid, true, mode, ret_row);
	if (r != 0)
		return r;
	return slice_eq(name, (struct slice){ shown, message_name(store, box, &ret_row->m, shown) })
		       ? 0
		       : -ENOENT;
}

typedef int find_fn(struct store *store, struct box *box, const void *what, enum store_mode mode,
		    struct cache_message_row *ret_row);

static int find_by_name(struct store *store, struct box *box, const void *what,
			enum store_mode mode, struct cache_message_row *ret_row)
{
	return find_named(store, box, *(const struct slice *)what, mode, ret_row);
}

static int find_by_uid(struct store *store, struct box *box, const void *what, enum store_mode mode,
		       struct cache_message_row *ret_row)
{
	return get_known(store, box, *(const imap_uid *)what, false, mode, ret_row);
}

/* The index is of another day until this mount has synced the mailbox. It answers all the same, but
 * what has changed must not stay hidden from somebody who never lists. */
static void sync_once(struct store *store, struct box *box)
{
	struct sync_mark mark;

	sync_look(store, box, &mark);
	if (mark.synced_ms == 0)
		sync_hint(store, box, SYNC_RETRY_MS);
}

/* Looks in the index; where that cannot say no, asks for the list of UIDs and looks again. */
static int find_message(struct store *store, const struct cache_mailbox *mailbox, find_fn *find,
			const void *what, enum store_mode mode, struct store_attr *ret_attr)
{
	struct cache_message_row row;
	struct box *box;
	int r;

	if (!mailbox_selectable(mailbox))
		return -ENOENT;
	r = box_of_mailbox(store, mailbox, &box);
	if (r != 0)
		return r;
	r = mailbox->listed ? find(store, box, what, mode, &row) : -ENOENT;
	if (r == -ENOENT && !listing_trusted(store, box, mailbox)) {
		if (mode == STORE_NOWAIT)
			return -EAGAIN;
		r = sync_wait_uids(store, box);
		if (r == -ECANCELED || (r != 0 && !mailbox->listed))
			return r;
		r = find(store, box, what, mode, &row);
	}
	if (r == 0) {
		sync_once(store, box);
		message_attr(&row.m, box_uidvalidity(store, box), ret_attr);
	}
	return r;
}

int store_lookup(struct store *store, uint64_t dir, struct slice name, enum store_mode mode,
		 struct store_attr *ret_attr)
{
	struct cache_mailbox_row row, child;
	bool avoided, like_message = msgname_parse(name, &avoided) != 0;
	struct box *box;
	int r = box_row_of_dir(store, dir, &row);

	if (r != 0)
		return r;
	/* Nearly no mailbox is called like a message, and messages are what is looked up most. */
	box = like_message ? box_get(store, row.m.id) : NULL;
	if (box == NULL || atomic_load(&box->eml_children) != 1) {
		r = cache_mailbox_by_name(store->cache, row.m.id, name, &child);
		if (r == 0)
			mailbox_attr(store, &child.m, ret_attr);
		if (r != -ENOENT || !like_message)
			return r;
	}
	return find_message(store, &row.m, find_by_name, &name, mode, ret_attr);
}

int store_lookup_uid(struct store *store, uint64_t dir, imap_uid uid, enum store_mode mode,
		     struct store_attr *ret_attr)
{
	struct cache_mailbox_row row;
	int r = box_row_of_dir(store, dir, &row);

	return r != 0 ? r : find_message(store, &row.m, find_by_uid, &uid, mode, ret_attr);
}

/* ---- by inode ----------------------------------------------------------------------- */

static int split_message(struct store *store, uint64_t ino, struct box **ret_box, imap_uid *ret_uid)
{
	if (ino >> 63 != 0)
		return -ENOENT;
	if (ino == STORE_ROOT || (ino & UINT32_MAX) == 0)
		return -EISDIR;
	*ret_uid = (imap_uid)(ino & UINT32_MAX);
	return box_by_number(store, (uint32_t)(ino >> INO_SHIFT), ret_box);
}

int store_getattr(struct store *store, uint64_t ino, enum store_mode mode,
		  struct store_attr *ret_attr)
{
	struct cache_message_row message;
	struct cache_mailbox_row row;
	struct box *box;
	imap_uid uid;
	int r = split_message(store, ino, &box, &uid);

	if (r == -EISDIR) {
		r = box_row_of_dir(store, ino, &row);
		if (r == 0)
			mailbox_attr(store, &row.m, ret_attr);
		return r;
	}
	if (r == 0)
		r = get_known(store, box, uid, false, mode, &message);
	if (r == 0)
		message_attr(&message.m, box_uidvalidity(store, box), ret_attr);
	return r;
}

int store_message(struct store *store, uint64_t ino, struct cache_message_row *ret_message,
		  struct cache_mailbox_row *ret_mailbox)
{
	struct box *box;
	imap_uid uid;
	int r = split_message(store, ino, &box, &uid);

	if (r == 0)
		r = cache_mailbox_get(store->cache, box->id, ret_mailbox);
	return r != 0 ? r
		      : cache_message_get(store->cache, (uint32_t)(ino >> INO_SHIFT), uid,
					  ret_message);
}

int store_mailbox(struct store *store, uint64_t ino, struct cache_mailbox_row *ret_mailbox)
{
	return box_row_of_dir(store, ino, ret_mailbox);
}
