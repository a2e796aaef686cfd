/*
 * Directories as pages: child mailboxes, then messages, newest first. A page that came
 * to messages whose attributes have not arrived waits for them; nothing is skipped, and
 * the end is said only when the listing is complete.
 *
 * Cookies: 0 the beginning; the id of a child mailbox; 1 << 33 | UID of a message.
 */
#include <errno.h>

#include "store/private.h"
#include "util/clock.h"

#define COOKIE_MESSAGES (UINT64_C(1) << 33)
#define PAGE 1024 /* rows a query: more than a reader takes at once */
#define PATIENCE_MS                                                                                \
	1000 /* names=uid: how long a page waits for attributes since its sync began   \
			  */

struct listing {
	struct store *store;
	struct box *box;
	struct eml_names taken;
	uint32_t uidvalidity;
	bool with_unknown;  /* messages whose attributes are not known */
	bool with_nameless; /* those that names=uid left without a readable name */
	store_entry_fn *fn;
	void *user;
	/* what happened */
	uint64_t cookie;
	size_t emitted;
	bool full, blocked; /* the reader has enough; the next message is not known yet */
	bool nameless;      /* blocked by the name alone */
};

/* ---- children ---------------------------------------------------------------------- */

static int emit_child(void *user, const struct cache_mailbox *child)
{
	struct listing *listing = user;
	struct store_attr attr;

	mailbox_attr(listing->store, child, &attr);
	if (!listing->fn(listing->user, child->name, &attr, child->id)) {
		listing->full = true;
		return 1;
	}
	listing->cookie = child->id;
	listing->emitted++;
	return 0;
}

static int list_children(struct listing *listing, uint32_t dir)
{
	size_t before;
	int r;

	do {
		before = listing->emitted;
		r = cache_mailbox_children(listing->store->cache, dir, (uint32_t)listing->cookie,
					   PAGE, emit_child, listing);
	} while (r == 0 && !listing->full && listing->emitted - before == PAGE);
	return r < 0 ? r : 0;
}

/* ---- messages ---------------------------------------------------------------------- */

static int emit_message(void *user, const struct cache_message *message)
{
	struct listing *listing = user;
	uint64_t cookie = COOKIE_MESSAGES | message->uid;
	char name[MSGNAME_SIZE];
	struct store_attr attr;
	size_t len;

	if (message->known ? !listing->with_nameless && !message_named(listing->store, message)
			   : !listing->with_unknown) {
		listing->blocked = true;
		listing->nameless = message->known;
		return 1;
	}
	message_attr(message, listing->uidvalidity, &attr);
	len = message_plain_name(listing->store, message, name);
	if (listing->taken.len > 0 && eml_names_have(&listing->taken, (struct slice){ name, len }))
		len = msgname_avoid(len, name);
	if (!listing->fn(listing->user, (struct slice){ name, len }, &attr, cookie)) {
		listing->full = true;
		return 1;
	}
	listing->cookie = cookie;
	listing->emitted++;
	return 0;
}

/* Emits what is there. Afterwards: full, blocked, or neither at the end of the mailbox. */
static int emit_page(struct listing *listing, uint32_t number)
{
	size_t before;
	int r;

	listing->blocked = false;
	do {
		imap_uid uid = listing->cookie & COOKIE_MESSAGES ? (imap_uid)listing->cookie : 0;

		before = listing->emitted;
		r = uid == 1 ? 0
			     : cache_message_page(listing->store->cache, number, uid, PAGE, true,
						  emit_message, listing);
	} while (r == 0 && !listing->full && listing->emitted - before == PAGE);
	return r < 0 ? r : 0;
}

/* The next message is not known. 0: look again, or an error. */
static int wait_attributes(struct listing *listing, const struct sync_mark *mark, unsigned *starts)
{
	struct store *store = listing->store;
	int64_t deadline = CLOCK_NEVER;
	int r;

	if (!mark->busy) {
		if (listing->nameless && (*starts > 0 || mark->error != 0)) {
			listing->with_nameless = true; /* the server is away: any name will do */
			return 0;
		}
		if ((*starts)++ > 0) { /* a sync came and went */
			if (store->names == STORE_NAMES_READABLE)
				return mark->error != 0 ? mark->error : -EIO;
			listing->with_unknown = true;
			return 0;
		}
		return sync_start(store, listing->box);
	}
	if (store->names == STORE_NAMES_UID)
		deadline = mark->began_ms + PATIENCE_MS;
	*starts += 1;
	r = deadline <= clock_ms() ? -ETIMEDOUT : sync_wait_step(store, mark, deadline);
	if (r == -ETIMEDOUT) {
		listing->with_unknown = true;
		r = 0;
	}
	return r;
}

static int list_messages(struct listing *listing, enum store_mode mode)
{
	unsigned starts = 0;

	while (true) {
		struct sync_mark mark;
		int r;

		sync_look(listing->store, listing->box, &mark);
		r = emit_page(listing, mark.number);
		if (r != 0 || !listing->blocked || listing->emitted > 0)
			return r;
		if (mode == STORE_NOWAIT)
			return -EAGAIN;
		r = wait_attributes(listing, &mark, &starts);
		if (r != 0)
			return r;
	}
}

/* ---- the whole ------------------------------------------------------------------------ */

/* Makes the list of UIDs right where it is too old or was never there. */
static int freshen_messages(struct store *store, struct box *box,
			    const struct cache_mailbox *mailbox, enum store_mode mode)
{
	struct sync_mark mark;
	int r;

	sync_look(store, box, &mark);
	if (mark.synced_ms != 0 && clock_ms() - mark.synced_ms <= store->poll_ms)
		return 0;
	if (mode == STORE_NOWAIT)
		return -EAGAIN;
	r = sync_wait_uids(store, box);
	if (r != 0 && mailbox->listed && r != -ECANCELED)
		return 0; /* the index serves */
	return r;
}

static void mark_shown(struct store *store, struct box *box)
{
	pthread_mutex_lock(&store->lock);
	box->shown = box->used = true;
	box->shown_ms = clock_ms();
	pthread_mutex_unlock(&store->lock);
}

static int list_mailbox(struct listing *listing, struct cache_mailbox_row *row,
			enum store_mode mode)
{
	struct store *store = listing->store;
	bool begin = listing->cookie == 0;
	int r;

	if (begin) {
		r = tree_freshen(store, mode);
		if (r == 0 && mailbox_selectable(&row->m))
			r = freshen_messages(store, listing->box, &row->m, mode);
		if (r != 0)
			return r;
		/* Both may have changed the row. */
		r = cache_mailbox_get(store->cache, row->m.id, row);
		if (r != 0)
			return r;
		mark_shown(store, listing->box);
	}
	if (!(listing->cookie & COOKIE_MESSAGES)) {
		r = list_children(listing, row->m.id);
		if (r != 0 || listing->full)
			return r;
	}
	if (!mailbox_selectable(&row->m) || row->m.box == 0)
		return 0;
	box_learn(store, listing->box, &row->m);
	listing->uidvalidity = row->m.uidvalidity;
	r = eml_names_load(store, listing->box, &listing->taken);
	if (r == 0)
		r = list_messages(listing, mode);
	eml_names_release(&listing->taken);
	/* What was given out is given out: the next page tells of the error. */
	return listing->emitted > 0 ? 0 : r;
}

int store_list(struct store *store, uint64_t dir, uint64_t cookie, enum store_mode mode,
	       store_entry_fn *fn, void *user)
{
	struct listing listing = { .store = store, .fn = fn, .user = user, .cookie = cookie };
	struct cache_mailbox_row row;
	int r = box_row_of_dir(store, dir, &row);

	if (r != 0)
		return r;
	listing.box = box_get(store, row.m.id);
	return listing.box != NULL ? list_mailbox(&listing, &row, mode) : -ENOMEM;
}
