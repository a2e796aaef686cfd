/* See fake_store.h. One lock over everything; waits give it up. */
#include "fake_store.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/num.h"

#define BOXES_MAX 16
#define MANY 2000
#define MESSAGES_MAX 50000

struct message {
	imap_uid uid; /* 0: removed */
	char name[64];
	uint64_t size, real;
	bool fetched, known;
};

struct box {
	uint32_t id, parent;
	const char *name, *utf8;
	bool slow; /* look-up and listing need the network too */
	bool noselect;
	struct message *messages;
	size_t count;
	imap_uid uidnext;
	int64_t mtime_s;
};

struct store {
	const struct store_events *events;
	void *user;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopped, hanging; /* guarded by lock */
	int64_t delay_ms;      /* guarded by lock */
	struct box boxes[BOXES_MAX];
	size_t box_count;
	struct store_status status;
};

struct counted_body {
	struct store_body body;
	atomic_uint refs;
	char data[];
};

struct store_body *store_body_get(struct store_body *body)
{
	atomic_fetch_add(&((struct counted_body *)body)->refs, 1);
	return body;
}

void store_body_put(struct store_body **body)
{
	if (atomic_fetch_sub(&((struct counted_body *)*body)->refs, 1) == 1)
		free(*body);
	*body = NULL;
}

char fake_store_byte(imap_uid uid, uint64_t offset)
{
	/* Lines of 64 bytes, no two alike. */
	if (offset % 64 == 63)
		return '\n';
	return (char)('a' + (uid * 7 + offset * 3 + offset / 64 * 5) % 26);
}

/* ---- the tree --------------------------------------------------------------- */

static struct message *add_message(struct box *box, const char *name, uint64_t size, uint64_t real)
{
	struct message *m;

	/* Never moved: who waits for the network holds on to one. */
	if (!box->messages)
		box->messages = calloc(MESSAGES_MAX, sizeof(*box->messages));
	if (!box->messages || box->count == MESSAGES_MAX)
		abort();
	m = &box->messages[box->count++];
	memset(m, 0, sizeof(*m));
	m->uid = box->uidnext++;
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->size = size;
	m->real = real;
	m->known = true;
	box->mtime_s++;
	return m;
}

static struct box *add_box(struct store *store, uint32_t id, uint32_t parent, const char *name,
			   const char *utf8)
{
	struct box *box = &store->boxes[store->box_count++];

	*box = (struct box){ .id = id,
			     .parent = parent,
			     .name = name,
			     .utf8 = utf8,
			     .uidnext = 1,
			     .mtime_s = 1700000000 };
	return box;
}

static void fill(struct store *store)
{
	struct box *box = add_box(store, 2, 1, "INBOX", "INBOX");
	char name[64];

	add_message(box, "1.eml", 1000, 1000);
	add_message(box, "2.eml", 300000, 300000);
	add_message(box, "3.eml", 4096, 4096);
	add_box(store, 3, 2, "Sub", "INBOX/Sub");
	add_box(store, 4, 1, "Lists", "Lists")->noselect = true;
	box = add_box(store, 5, 1, "Lies", "Lies");
	add_message(box, "shrinks.eml", 10000, 5000);
	add_message(box, "shrinks-big.eml", 700000, 200000);
	add_message(box, "grows.eml", 100, 9000);
	add_message(box, "grows-in-page.eml", 100, 150);
	add_message(box, "grows-big.eml", 5000, 300000);
	add_message(box, "empty-after-all.eml", 500, 0);
	add_message(box, "said-to-be-empty.eml", 0, 9000);
	box = add_box(store, 6, 1, "Unknown", "Unknown");
	for (int i = 1; i <= 20; i++) {
		snprintf(name, sizeof(name), "%d.eml", i);
		add_message(box, name, 100 * (uint64_t)i, 100 * (uint64_t)i)->known = false;
	}
	box = add_box(store, 7, 1, "Slow", "Slow");
	box->slow = true;
	add_message(box, "1.eml", 2000, 2000);
	box = add_box(store, 8, 1, "Many", "Many");
	for (int i = 1; i <= MANY; i++) {
		snprintf(name, sizeof(name), "%d.eml", i);
		add_message(box, name, 100 + (uint64_t)i, 100 + (uint64_t)i)->fetched = true;
	}
}

static struct box *box_by_id(struct store *store, uint64_t id)
{
	for (size_t i = 0; i < store->box_count; i++)
		if (store->boxes[i].id == id)
			return &store->boxes[i];
	return NULL;
}

static struct box *box_by_ino(struct store *store, uint64_t ino)
{
	return ino & UINT32_MAX ? NULL : box_by_id(store, ino >> 32);
}

static struct message *message_by_ino(struct store *store, uint64_t ino, struct box **ret_box)
{
	struct box *box = box_by_id(store, ino >> 32);
	imap_uid uid = ino & UINT32_MAX;

	*ret_box = box;
	if (box && uid && uid <= box->count && box->messages[uid - 1].uid)
		return &box->messages[uid - 1];
	return NULL;
}

static struct message *message_by_name(struct box *box, struct slice name)
{
	for (size_t i = 0; i < box->count; i++)
		if (box->messages[i].uid && slice_eqs(name, box->messages[i].name))
			return &box->messages[i];
	return NULL;
}

static void message_attr(const struct box *box, const struct message *m, struct store_attr *attr)
{
	*attr = (struct store_attr){ .ino = (uint64_t)box->id << 32 | m->uid,
				     .generation = 1000 + box->id,
				     .known = m->known,
				     .size = m->size,
				     .mtime_s = 1600000000 + m->uid,
				     .nlink = 1 };
}

static void box_attr(const struct box *box, struct store_attr *attr)
{
	*attr = (struct store_attr){ .ino = (uint64_t)box->id << 32,
				     .is_dir = true,
				     .known = true,
				     .generation = 1000 + box->id,
				     .mtime_s = box->mtime_s,
				     .nlink = 2 };
}

/* ---- waiting ---------------------------------------------------------------- */

static int need_network_locked(struct store *store, enum store_mode mode)
{
	int64_t until_ms = clock_ms() + store->delay_ms;

	if (mode == STORE_NOWAIT)
		return -EAGAIN;
	while (!store->stopped && (store->hanging || clock_ms() < until_ms))
		clock_cond_wait(&store->wake, &store->lock,
				store->hanging ? clock_ms() + 60000 : until_ms);
	return store->stopped ? -ECANCELED : 0;
}

/* ---- store.h ---------------------------------------------------------------- */

int fake_store_new(const struct store_events *events, void *user, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	store->events = events;
	store->user = user;
	pthread_mutex_init(&store->lock, NULL);
	clock_cond_init(&store->wake);
	fill(store);
	*ret_store = store;
	return 0;
}

void store_stop(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	store->stopped = true;
	pthread_cond_broadcast(&store->wake);
	pthread_mutex_unlock(&store->lock);
}

void store_close(struct store **storep)
{
	struct store *store = *storep;

	for (size_t i = 0; i < store->box_count; i++)
		free(store->boxes[i].messages);
	pthread_cond_destroy(&store->wake);
	pthread_mutex_destroy(&store->lock);
	free(store);
	*storep = NULL;
}

static int lookup_locked(struct store *store, uint64_t dir, struct slice name, enum store_mode mode,
			 struct store_attr *ret_attr)
{
	struct box *box = box_by_ino(store, dir);
	struct message *m;

	for (size_t i = 0; i < store->box_count; i++) {
		struct box *child = &store->boxes[i];

		if (child->parent == (dir == STORE_ROOT ? 1 : dir >> 32) &&
		    slice_eqs(name, child->name)) {
			box_attr(child, ret_attr);
			return 0;
		}
	}
	if (!box)
		return dir == STORE_ROOT ? -ENOENT : -ENOTDIR;
	if (box->slow) {
		int err = need_network_locked(store, mode);

		if (err)
			return err;
	}
	m = message_by_name(box, name);
	if (!m)
		return -ENOENT;
	if (!m->known) {
		int err = need_network_locked(store, mode);

		if (err)
			return err;
		m->known = true;
	}
	message_attr(box, m, ret_attr);
	return 0;
}

int store_lookup(struct store *store, uint64_t dir, struct slice name, enum store_mode mode,
		 struct store_attr *ret_attr)
{
	int err;

	pthread_mutex_lock(&store->lock);
	err = lookup_locked(store, dir, name, mode, ret_attr);
	pthread_mutex_unlock(&store->lock);
	return err;
}

int store_lookup_uid(struct store *store, uint64_t dir, imap_uid uid, enum store_mode mode,
		     struct store_attr *ret_attr)
{
	struct message *m;
	struct box *box;

	pthread_mutex_lock(&store->lock);
	m = message_by_ino(store, dir | uid, &box);
	if (m)
		message_attr(box, m, ret_attr);
	pthread_mutex_unlock(&store->lock);
	return m ? 0 : -ENOENT;
}

int store_getattr(struct store *store, uint64_t ino, enum store_mode mode,
		  struct store_attr *ret_attr)
{
	struct message *m;
	struct box *box;
	int err = 0;

	if (ino == STORE_ROOT) {
		*ret_attr = (struct store_attr){
			.ino = 1, .is_dir = true, .known = true, .nlink = 2, .mtime_s = 1700000000
		};
		return 0;
	}
	pthread_mutex_lock(&store->lock);
	m = message_by_ino(store, ino, &box);
	if (m)
		message_attr(box, m, ret_attr);
	else if ((box = box_by_ino(store, ino)))
		box_attr(box, ret_attr);
	else
		err = -ENOENT;
	pthread_mutex_unlock(&store->lock);
	return err;
}

/* Cookies: 1 + index of a child box, then 1000 + index of a message. */
static int list_locked(struct store *store, uint64_t dir, uint64_t cookie, enum store_mode mode,
		       store_entry_fn *fn, void *user)
{
	struct box *box = box_by_ino(store, dir);
	struct store_attr attr;

	if (!box && dir != STORE_ROOT)
		return -ENOTDIR;
	if (box && box->slow && cookie == 0) {
		int err = need_network_locked(store, mode);

		if (err)
			return err;
	}
	for (size_t i = cookie; i < store->box_count; i++) {
		if (store->boxes[i].parent != (box ? box->id : 1))
			continue;
		box_attr(&store->boxes[i], &attr);
		if (!fn(user, slice_of(store->boxes[i].name), &attr, i + 1))
			return 0;
	}
	for (size_t i = cookie < 1000 ? 0 : cookie - 1000; box && i < box->count; i++) {
		if (!box->messages[i].uid)
			continue;
		message_attr(box, &box->messages[i], &attr);
		if (!fn(user, slice_of(box->messages[i].name), &attr, 1000 + i + 1))
			return 0;
	}
	return 0;
}

int store_list(struct store *store, uint64_t dir, uint64_t cookie, enum store_mode mode,
	       store_entry_fn *fn, void *user)
{
	int err;

	pthread_mutex_lock(&store->lock);
	err = list_locked(store, dir, cookie, mode, fn, user);
	pthread_mutex_unlock(&store->lock);
	return err;
}

static ssize_t read_locked(struct store *store, uint64_t ino, uint64_t offset, char *buf,
			   size_t len, enum store_mode mode, struct store_read_facts *facts)
{
	struct message *m;
	struct box *box;

	m = message_by_ino(store, ino, &box);
	if (!m)
		return box && !(ino & UINT32_MAX) ? -EISDIR : -ENOENT;
	if (!m->fetched) {
		int err = need_network_locked(store, mode);

		if (err)
			return err;
		store->status.bodies_fetched++;
		m->fetched = true;
		facts->size_grew = m->real > m->size;
		facts->size_shrank = m->real < m->size;
		m->size = m->real;
	}
	facts->size = m->size;
	if (offset >= m->size)
		return 0;
	if (len > m->size - offset)
		len = m->size - offset;
	for (size_t i = 0; i < len; i++)
		buf[i] = fake_store_byte(m->uid, offset + i);
	return (ssize_t)len;
}

ssize_t store_read(struct store *store, uint64_t ino, uint64_t offset, void *buf, size_t len,
		   enum store_mode mode, struct store_read_facts *ret_facts)
{
	ssize_t got;

	*ret_facts = (struct store_read_facts){ .size = 0 };
	pthread_mutex_lock(&store->lock);
	got = read_locked(store, ino, offset, buf, len, mode, ret_facts);
	pthread_mutex_unlock(&store->lock);
	return got;
}

static void fill_mailbox(const struct box *box, struct cache_mailbox_row *row)
{
	row->m = (struct cache_mailbox){
		.id = box->id,
		.box = box->id,
		.parent = box->parent,
		.wire = slice_of(box->utf8),
		.name = slice_of(box->name),
		.utf8 = slice_of(box->utf8),
		.delimiter = '/',
		.attributes = box->noselect ? IMAP_ATTR_NOSELECT
					    : IMAP_ATTR_HASNOCHILDREN | IMAP_ATTR_SUBSCRIBED |
						      (box->id == 5 ? IMAP_ATTR_JUNK : 0),
		.uidvalidity = box->noselect ? 0 : 1000 + box->id,
		.uidnext = box->noselect ? 0 : box->uidnext,
		.messages = (uint32_t)box->count,
		.highestmodseq = box->id == 2 ? 77 : 0,
	};
}

static int message_locked(struct store *store, uint64_t ino, struct cache_message_row *ret_message,
			  struct cache_mailbox_row *ret_mailbox)
{
	struct message *m;
	struct box *box;

	if (ino == STORE_ROOT || box_by_ino(store, ino))
		return -EISDIR;
	m = message_by_ino(store, ino, &box);
	if (!m)
		return -ENOENT;
	fill_mailbox(box, ret_mailbox);
	ret_message->m = (struct cache_message){
		.box = box->id,
		.uid = m->uid,
		.known = m->known,
		.exact = m->fetched,
		.size = m->size,
		.internaldate = 1600000000 + m->uid,
		.flags = m->uid == 1 ? IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED : 0,
		.keywords = m->uid == 1 ? SLICE_LIT("$Forwarded work") : SLICE_NIL,
		.modseq = m->uid == 1 ? 42 : 0,
	};
	return 0;
}

static int mailbox_locked(struct store *store, uint64_t ino, struct cache_mailbox_row *ret_mailbox)
{
	struct box *box = box_by_ino(store, ino);

	if (!box)
		return ino == STORE_ROOT ? -ENOENT : -ENOTDIR;
	fill_mailbox(box, ret_mailbox);
	return 0;
}

int store_message(struct store *store, uint64_t ino, struct cache_message_row *ret_message,
		  struct cache_mailbox_row *ret_mailbox)
{
	int err;

	pthread_mutex_lock(&store->lock);
	err = message_locked(store, ino, ret_message, ret_mailbox);
	pthread_mutex_unlock(&store->lock);
	return err;
}

int store_mailbox(struct store *store, uint64_t ino, struct cache_mailbox_row *ret_mailbox)
{
	int err;

	pthread_mutex_lock(&store->lock);
	err = mailbox_locked(store, ino, ret_mailbox);
	pthread_mutex_unlock(&store->lock);
	return err;
}

void store_status_get(struct store *store, struct store_status *ret_status)
{
	pthread_mutex_lock(&store->lock);
	*ret_status = store->status;
	pthread_mutex_unlock(&store->lock);
}

void store_status_mailboxes(struct store *store,
			    void (*fn)(void *user, struct slice utf8, int64_t age_s, bool syncing),
			    void *user)
{
	fn(user, slice_of(store->boxes[0].utf8), 12, false);
	fn(user, SLICE_LIT("evil\nname"), -1, true);
}

/* Nothing of these is behind a fake store; the filesystem is given NULL for both. */
void session_status_get(struct session *session, struct session_status *ret_status)
{
	abort();
}

void cache_status_get(struct cache *cache, struct cache_status *ret_status)
{
	abort();
}

/* ---- commands --------------------------------------------------------------- */

static int push_body(struct store *store, struct box *box, struct message *m)
{
	struct counted_body *body = malloc(sizeof(*body) + m->real);
	struct store_body *ref;

	if (!body)
		return -ENOMEM;
	for (uint64_t i = 0; i < m->real; i++)
		body->data[i] = fake_store_byte(m->uid, i);
	atomic_init(&body->refs, 1);
	body->body = (struct store_body){ .ino = (uint64_t)box->id << 32 | m->uid,
					  .len = m->real,
					  .data = body->data };
	ref = &body->body;
	store->events->body_arrived(store->user, ref);
	store_body_put(&ref);
	return 0;
}

static int change_box(struct store *store, const char *verb, struct box *box, const char *name,
		      const char *size)
{
	uint64_t dir = (uint64_t)box->id << 32, ino = 0, bytes = 0;
	struct message *m;

	if (!strcmp(verb, "touch")) {
		store->events->listing_changed(store->user, dir);
		return 0;
	}
	if (!strcmp(verb, "forget")) {
		pthread_mutex_lock(&store->lock);
		for (size_t i = 0; i < box->count; i++)
			box->messages[i].fetched = false;
		pthread_mutex_unlock(&store->lock);
		return 0;
	}
	if (!strcmp(verb, "add") && *name && num_u64(slice_of(size), &bytes) == 0) {
		pthread_mutex_lock(&store->lock);
		add_message(box, name, bytes, bytes);
		pthread_mutex_unlock(&store->lock);
		store->events->entry_added(store->user, dir, slice_of(name));
		store->events->listing_changed(store->user, dir);
		return 0;
	}
	m = message_by_name(box, slice_of(name));
	if (!m)
		return -ENOENT;
	if (!strcmp(verb, "push"))
		return push_body(store, box, m);
	if (strcmp(verb, "remove") != 0)
		return -EINVAL;
	pthread_mutex_lock(&store->lock);
	ino = dir | m->uid;
	m->uid = 0;
	box->mtime_s++;
	pthread_mutex_unlock(&store->lock);
	store->events->entry_removed(store->user, dir, slice_of(name), ino);
	return 0;
}

int fake_store_command(struct store *store, char *line)
{
	char verb[16] = "", word[64] = "", name[64] = "", size[32] = "";
	bool is_done = true;
	uint32_t ms;

	if (sscanf(line, "%15s %63s %63s %31s", verb, word, name, size) < 1)
		return -EINVAL;
	pthread_mutex_lock(&store->lock);
	if (!strcmp(verb, "hang") || !strcmp(verb, "resume"))
		store->hanging = *verb == 'h';
	else if (!strcmp(verb, "delay") && num_u32(slice_of(word), &ms) == 0)
		store->delay_ms = ms;
	else
		is_done = false;
	pthread_cond_broadcast(&store->wake);
	pthread_mutex_unlock(&store->lock);
	if (is_done)
		return 0;
	for (size_t i = 0; i < store->box_count; i++)
		if (!strcmp(store->boxes[i].name, word))
			return change_box(store, verb, &store->boxes[i], name, size);
	return -ENOENT;
}
