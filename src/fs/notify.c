/* The invalidations; feed.c has the bodies. */
#include "fs/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/feed.h"
#include "fs/request.h"
#include "util/clock.h"
#include "util/log.h"

#define NOTES_MAX 16384u      /* names; beyond it their directory as a whole */
#define NOTES_HARD_MAX 32768u /* anything */
#define BUCKETS 4096u
#define BATCH_MS 20 /* changes of one listing that come together cost one invalidation */
#define BUSY_MS 20  /* how long a directory that a request holds is left alone */

enum note_kind { NOTE_LISTING, NOTE_ATTR, NOTE_ENTRY, NOTE_SUBTREE, NOTE_FINISH };

struct note {
	struct note *next;      /* in the queue */
	struct note *hash_next; /* LISTING, ATTR, SUBTREE: one each per inode */
	enum note_kind kind;
	uint64_t ino;
	int64_t not_before_ms;
	struct request *request; /* FINISH */
	size_t len;
	char name[]; /* ENTRY */
};

struct notify {
	struct fs *fs;
	struct feed *feed;
	pthread_t thread;
	bool has_thread; /* owner: who starts and stops */

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct note *head, **tail;     /* guarded by lock */
	struct note *buckets[BUCKETS]; /* guarded by lock */
	size_t count;                  /* guarded by lock */
	bool running, stopping;        /* guarded by lock */
	struct notify_status status;   /* guarded by lock */
};

static struct note **bucket_of(struct notify *notify, enum note_kind kind, uint64_t ino)
{
	uint64_t hash = (ino ^ ino >> 32) * 0x9e3779b97f4a7c15u + kind;

	return &notify->buckets[hash >> 40 & (BUCKETS - 1)];
}

static bool is_coalesced(enum note_kind kind)
{
	return kind == NOTE_LISTING || kind == NOTE_ATTR || kind == NOTE_SUBTREE;
}

static bool is_queued_locked(struct notify *notify, enum note_kind kind, uint64_t ino)
{
	for (struct note *note = *bucket_of(notify, kind, ino); note; note = note->hash_next)
		if (note->kind == kind && note->ino == ino)
			return true;
	return false;
}

static void append_locked(struct notify *notify, struct note *note)
{
	note->next = NULL;
	*notify->tail = note;
	notify->tail = &note->next;
	notify->count++;
}

static void unhash_locked(struct notify *notify, struct note *note)
{
	struct note **p = bucket_of(notify, note->kind, note->ino);

	while (*p && *p != note)
		p = &(*p)->hash_next;
	if (*p)
		*p = note->hash_next;
}

/* True when it is in the queue (now, or was already). */
static bool queue(struct notify *notify, const struct note *what, struct slice name, size_t max)
{
	struct note *note = malloc(sizeof(*note) + name.len + 1);
	bool done = false;

	if (!note)
		return false;
	*note = *what;
	note->len = name.len;
	if (name.len)
		memcpy(note->name, name.ptr, name.len);
	note->name[name.len] = '\0';
	pthread_mutex_lock(&notify->lock);
	if (notify->stopping || (!notify->running && note->kind != NOTE_FINISH)) {
		done = note->kind != NOTE_FINISH;
	} else if (is_coalesced(note->kind) && is_queued_locked(notify, note->kind, note->ino)) {
		done = true;
	} else if (notify->count < max) {
		if (is_coalesced(note->kind)) {
			struct note **bucket = bucket_of(notify, note->kind, note->ino);

			note->hash_next = *bucket;
			*bucket = note;
		}
		append_locked(notify, note);
		pthread_cond_signal(&notify->wake);
		note = NULL;
		done = true;
	} else {
		notify->status.overflows++;
	}
	pthread_mutex_unlock(&notify->lock);
	free(note);
	return done;
}

void notify_listing(struct notify *notify, uint64_t dir)
{
	struct note note = { .kind = NOTE_LISTING,
			     .ino = dir,
			     .not_before_ms = clock_ms() + BATCH_MS };

	if (!queue(notify, &note, SLICE_NIL, NOTES_HARD_MAX))
		log_warning(
			"too many changes at once: a listing may be old until it is used again");
}

void notify_attr(struct notify *notify, uint64_t ino)
{
	struct note note = { .kind = NOTE_ATTR, .ino = ino };

	if (!queue(notify, &note, SLICE_NIL, NOTES_HARD_MAX))
		log_debug("too many changes at once: attributes of inode %#llx not invalidated",
			  (unsigned long long)ino);
}

void notify_entry(struct notify *notify, uint64_t dir, struct slice name)
{
	struct note note = { .kind = NOTE_ENTRY, .ino = dir };

	if (queue(notify, &note, name, NOTES_MAX))
		return;
	note.kind = NOTE_SUBTREE;
	if (!queue(notify, &note, SLICE_NIL, NOTES_HARD_MAX))
		log_warning("too many changes at once: removed names may be seen for a while");
}

int notify_then_finish(struct notify *notify, struct request *request)
{
	struct note note = { .kind = NOTE_FINISH, .ino = request_ino(request), .request = request };

	/* Bounded by the requests there are. */
	return queue(notify, &note, SLICE_NIL, SIZE_MAX) ? 0 : -ECANCELED;
}

void notify_body(struct notify *notify, struct store_body *body)
{
	feed_put(notify->feed, body);
}

/* ---- the thread ------------------------------------------------------------- */

/* All names below a mailbox, by way of its own name in its parent: the kernel drops what hangs below. */
static void send_subtree(struct notify *notify, uint64_t dir)
{
	struct cache_mailbox_row row;

	if (dir == STORE_ROOT || store_mailbox(notify->fs->store, dir, &row))
		return;
	fuse_lowlevel_notify_inval_entry(
		notify->fs->se, row.m.parent <= 1 ? STORE_ROOT : (uint64_t)row.m.parent << 32,
		row.m.name.ptr, row.m.name.len);
}

/* -ENOENT, the usual answer, says that the kernel did not know it anyway. */
static void send_note(struct notify *notify, struct note *note)
{
	struct fuse_session *se = notify->fs->se;

	switch (note->kind) {
	case NOTE_LISTING: fuse_lowlevel_notify_inval_inode(se, note->ino, 0, 0); break;
	case NOTE_ATTR: fuse_lowlevel_notify_inval_inode(se, note->ino, -1, 0); break;
	case NOTE_ENTRY:
		fuse_lowlevel_notify_inval_entry(se, note->ino, note->name, note->len);
		break;
	case NOTE_SUBTREE: send_subtree(notify, note->ino); break;
	case NOTE_FINISH:
		/* Attributes alone: its pages are locked by the very request that waits. */
		fuse_lowlevel_notify_inval_inode(se, note->ino, -1, 0);
		request_finish(note->request);
		break;
	}
}

static bool must_wait(struct notify *notify, const struct note *note)
{
	if (note->not_before_ms > clock_ms())
		return true;
	return note->kind == NOTE_ENTRY && requests_pending(notify->fs, note->ino);
}

static struct note *pop_locked(struct notify *notify)
{
	struct note *note = notify->head;

	notify->head = note->next;
	if (!notify->head)
		notify->tail = &notify->head;
	notify->count--;
	return note;
}

static void *notify_run(void *arg)
{
	struct notify *notify = arg;
	size_t put_back = 0; /* in a row: when that is all of them, sleep */

	pthread_mutex_lock(&notify->lock);
	while (!notify->stopping) {
		struct note *note;
		bool wait;

		if (!notify->head) {
			pthread_cond_wait(&notify->wake, &notify->lock);
			continue;
		}
		if (put_back >= notify->count) {
			put_back = 0;
			clock_cond_wait(&notify->wake, &notify->lock, clock_ms() + BUSY_MS / 2);
			continue;
		}
		note = pop_locked(notify);
		pthread_mutex_unlock(&notify->lock);
		wait = must_wait(notify, note);
		pthread_mutex_lock(&notify->lock);
		if (wait) {
			append_locked(notify, note);
			put_back++;
			continue;
		}
		put_back = 0;
		/* Off the table first: a change that comes from now on needs a note of its own. */
		if (is_coalesced(note->kind))
			unhash_locked(notify, note);
		notify->status.sent++;
		pthread_mutex_unlock(&notify->lock);
		send_note(notify, note);
		free(note);
		pthread_mutex_lock(&notify->lock);
	}
	pthread_mutex_unlock(&notify->lock);
	return NULL;
}

int notify_new(struct fs *fs, struct notify **ret_notify)
{
	struct notify *notify = calloc(1, sizeof(*notify));
	int err;

	if (!notify)
		return -ENOMEM;
	notify->fs = fs;
	notify->tail = &notify->head;
	err = -pthread_mutex_init(&notify->lock, NULL);
	if (err)
		goto no_lock;
	err = clock_cond_init(&notify->wake);
	if (err)
		goto no_cond;
	err = feed_new(fs, &notify->feed);
	if (err)
		goto no_feed;
	*ret_notify = notify;
	return 0;
no_feed:
	pthread_cond_destroy(&notify->wake);
no_cond:
	pthread_mutex_destroy(&notify->lock);
no_lock:
	free(notify);
	return err;
}

int notify_start(struct notify *notify)
{
	int err = feed_start(notify->feed);

	if (err)
		return err;
	err = -pthread_create(&notify->thread, NULL, notify_run, notify);
	if (err)
		return err;
	notify->has_thread = true;
	pthread_setname_np(notify->thread, "notify");
	pthread_mutex_lock(&notify->lock);
	notify->running = true;
	pthread_mutex_unlock(&notify->lock);
	return 0;
}

void notify_stop(struct notify *notify)
{
	struct note *note;

	pthread_mutex_lock(&notify->lock);
	notify->stopping = true;
	pthread_cond_broadcast(&notify->wake);
	pthread_mutex_unlock(&notify->lock);
	feed_stop(notify->feed);
	if (notify->has_thread)
		pthread_join(notify->thread, NULL);
	notify->has_thread = false;
	while ((note = notify->head)) { /* nobody else is left: queue() refuses */
		notify->head = note->next;
		if (note->kind == NOTE_FINISH)
			request_finish(note->request);
		free(note);
	}
	notify->tail = &notify->head;
	notify->count = 0;
	memset(notify->buckets, 0, sizeof(notify->buckets));
}

void notify_free(struct notify **notifyp)
{
	struct notify *notify = notifyp ? *notifyp : NULL;

	if (!notify)
		return;
	notify_stop(notify);
	feed_free(&notify->feed);
	pthread_cond_destroy(&notify->wake);
	pthread_mutex_destroy(&notify->lock);
	free(notify);
	*notifyp = NULL;
}

void notify_status_get(struct notify *notify, struct notify_status *ret_status)
{
	struct notify_status status;

	pthread_mutex_lock(&notify->lock);
	status = notify->status;
	status.queued = notify->count;
	pthread_mutex_unlock(&notify->lock);
	feed_status_get(notify->feed, &status);
	*ret_status = status;
}
