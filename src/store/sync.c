/*
 * Bringing the index up to date with one mailbox: when, and in which steps. A sync runs on the
 * store's pool, one at a time for a mailbox; whoever needs it waits for the step that matters
 * to them. The steps themselves: syncflags.c (who is there, which flags), syncattr.c (attributes).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/merge.h"
#include "store/private.h"
#include "util/clock.h"
#include "util/log.h"

#define WARM_MESSAGES 64 /* fewer are not worth a connection */

/* ---- progress ------------------------------------------------------------------------ */

void sync_progress(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	store->steps++;
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->lock);
}

void sync_look(struct store *store, struct box *box, struct sync_mark *ret_mark)
{
	pthread_mutex_lock(&store->lock);
	*ret_mark = (struct sync_mark){
		.steps = store->steps,
		.syncs = box->syncs,
		.uid_lists = box->uid_lists,
		.number = box->number,
		.busy = box->syncing || box->queued,
		.uids_ready = box->uids_ready,
		.error = box->sync_error,
		.began_ms = box->began_ms,
		.synced_ms = box->synced_ms,
		.tried_ms = box->tried_ms,
	};
	pthread_mutex_unlock(&store->lock);
}

int sync_wait_step(struct store *store, const struct sync_mark *mark, int64_t deadline_ms)
{
	int r = 0;

	pthread_mutex_lock(&store->lock);
	while (store->steps == mark->steps && r == 0 && !atomic_load(&store->stopped)) {
		if (deadline_ms == CLOCK_NEVER)
			pthread_cond_wait(&store->changed, &store->lock);
		else
			r = clock_cond_wait(&store->changed, &store->lock, deadline_ms);
	}
	pthread_mutex_unlock(&store->lock);
	return atomic_load(&store->stopped) ? -ECANCELED : r;
}

/* ---- the steps ------------------------------------------------------------------------- */

/* What EXAMINE says now: of the lease where that is new, else asked again. */
static int examine(struct sync *sync, struct lease *lease)
{
	int r = lease_fresh(lease) ? 0 : lease_refresh(lease);

	if (r == 0)
		sync->selected = *lease_selected(lease);
	return r;
}

/* The messages' number, which changes with UIDVALIDITY. */
static int settle_validity(struct sync *sync)
{
	struct store *store = sync->store;
	uint32_t uidvalidity = sync->selected.uidvalidity != 0 ? sync->selected.uidvalidity : 1;
	uint32_t before = sync->row.m.box;
	int r;

	if (before != 0 && sync->row.m.uidvalidity != uidvalidity)
		sync_tell_all_removed(sync, before);
	r = cache_mailbox_set_uidvalidity(store->cache, sync->box->id, uidvalidity, &sync->number);
	if (r == 0)
		r = cache_mailbox_get(store->cache, sync->box->id, &sync->row);
	if (r != 0)
		return r;
	if (before != 0 && before != sync->number) {
		log_warning("mailbox '%.*s' was made anew on the server (UIDVALIDITY %u): all its "
			    "messages are listed again",
			    (int)sync->row.m.utf8.len, sync->row.m.utf8.ptr, uidvalidity);
		sync->changed = true;
	}
	box_set_number(store, sync->box, sync->number, uidvalidity);
	sync->first = !sync->row.m.listed;
	return 0;
}

/* Nothing can have happened since the last sync: only CONDSTORE lets a server say so. */
static bool unchanged(struct sync *sync)
{
	const struct imap_selected *selected = &sync->selected;
	uint32_t count;

	return !sync->first && selected->highestmodseq != 0 && selected->uidnext != 0 &&
	       selected->highestmodseq == sync->row.m.highestmodseq &&
	       selected->uidnext == sync->row.m.uidnext &&
	       cache_message_count(sync->store->cache, sync->number, &count) == 0 &&
	       count == selected->exists;
}

static int mark_listed(struct sync *sync)
{
	struct store *store = sync->store;
	struct cache_mailbox values = { .listed = true, .mtime_s = clock_wall_s() };
	bool touch = sync->first || sync->changed;
	int r = 0;

	if (touch)
		r = cache_mailbox_update(store->cache, sync->box->id,
					 CACHE_MB_LISTED | CACHE_MB_MTIME, &values);
	if (r != 0)
		return r;
	pthread_mutex_lock(&store->lock);
	sync->box->uid_lists++;
	sync->box->uids_ready = true;
	sync->box->sync_error = 0;
	pthread_mutex_unlock(&store->lock);
	sync_progress(store);
	if (touch)
		tell_attr(store, box_ino(sync->box->id));
	return 0;
}

/* Rows that names=uid left without a name are made unknown to readers by asking for them again: the
 * names come with the attributes. Names are written from the newest on, but an interrupted round
 * may leave a gap anywhere: all are looked at, once a mount. */
struct nameless {
	struct imap_set set;
	imap_uid last;
	size_t seen;
	int error;
};

static int collect_nameless(void *user, const struct cache_message *message)
{
	struct nameless *nameless = user;

	nameless->last = message->uid;
	nameless->seen++;
	if (message->known && message->name.len == 0)
		nameless->error = imap_set_add(&nameless->set, message->uid);
	return nameless->error;
}

static int find_nameless(struct sync *sync, struct imap_set *ret_set)
{
	struct nameless nameless = { .last = 0 };
	int r = 0;

	if (sync->store->names != STORE_NAMES_READABLE || sync->box->names_checked || sync->first)
		return 0;
	do {
		nameless.seen = 0;
		r = nameless.last == 1
			    ? 0
			    : cache_message_page(sync->store->cache, sync->number, nameless.last,
						 4096, true, collect_nameless, &nameless);
	} while (r == 0 && nameless.seen == 4096);
	if (r == 0) {
		imap_set_release(ret_set);
		*ret_set = nameless.set;
		sync->box->names_checked = nameless.set.count == 0;
	} else {
		imap_set_release(&nameless.set);
	}
	return r;
}

static int finish(struct sync *sync)
{
	const struct imap_selected *selected = &sync->selected;
	struct cache_mailbox values = {
		.uidnext = selected->uidnext,
		.messages = selected->exists,
		.recent = selected->recent,
		.highestmodseq = selected->highestmodseq,
		.synced_s = clock_wall_s(),
	};
	/* EXAMINE says at best which one is the first. */
	int r = cache_message_count_unseen(sync->store->cache, sync->number, &values.unseen);

	if (r != 0)
		return r;
	return cache_mailbox_update(sync->store->cache, sync->box->id,
				    CACHE_MB_UIDNEXT | CACHE_MB_MESSAGES | CACHE_MB_UNSEEN |
					    CACHE_MB_RECENT | CACHE_MB_HIGHESTMODSEQ |
					    CACHE_MB_SYNCED,
				    &values);
}

static int do_sync(struct lease *lease, void *user)
{
	struct sync *sync = user;
	struct imap_set added = { 0 }, nameless = { 0 };
	bool same;
	int r = cache_mailbox_get(sync->store->cache, sync->box->id, &sync->row);

	if (r == 0)
		r = examine(sync, lease);
	if (r == 0)
		r = settle_validity(sync);
	if (r != 0)
		return r;
	same = unchanged(sync);
	if (sync->first)
		r = sync_first_uids(sync, lease);
	else if (!same)
		r = sync_flags(sync, lease, &added);
	/* Kept until they have names to be told: this sync may be cut short. Of a mailbox that was
	 * listed before (a new UIDVALIDITY, an index begun anew), any name may be remembered as
	 * missing. */
	if (r == 0 && sync->first && sync->box->uid_lists > 0)
		r = cache_message_uids(sync->store->cache, sync->number, false, &sync->box->untold);
	for (size_t i = 0; i < added.count && r == 0; i++)
		r = imap_set_add_range(&sync->box->untold, added.ranges[i].first,
				       added.ranges[i].last);
	if (r == 0)
		r = mark_listed(sync);
	/* Who lists a mailbox for the first time will likely read it. */
	if (r == 0 && sync->first && sync->selected.exists >= WARM_MESSAGES)
		ahead_warm(sync->store, sync->box, sync->number);
	if (r == 0)
		r = find_nameless(sync, &nameless);
	if (r == 0)
		r = sync_attributes(sync, lease, &nameless);
	if (r == 0 && sync->box->untold.count > 0) {
		sync_tell_added(sync, &sync->box->untold);
		imap_set_clear(&sync->box->untold);
	}
	/* Only now: a sync that was cut short is not mistaken for a whole one. */
	if (r == 0 && !same)
		r = finish(sync);
	imap_set_release(&added);
	imap_set_release(&nameless);
	return r;
}

/* ---- one at a time ------------------------------------------------------------------------ */

struct job {
	struct store *store;
	struct box *box;
};

/* The errors the layer above knows. */
static int face_error(int r)
{
	switch (r) {
	case 0:
	case -ENOENT:
	case -EACCES:
	case -ECANCELED:
	case -ENOMEM: return r;
	default: return -EIO;
	}
}

static void sync_ended(struct store *store, struct box *box, int r)
{
	pthread_mutex_lock(&store->lock);
	box->syncing = box->uids_ready = false;
	store->syncing--;
	box->syncs++;
	box->sync_error = face_error(r);
	box->tried_ms = clock_ms();
	if (r == 0) {
		box->synced_ms = box->tried_ms;
		box->synced_wall_s = clock_wall_s();
	}
	pthread_mutex_unlock(&store->lock);
	sync_progress(store);
}

static void sync_run(struct store *store, struct box *box)
{
	struct sync sync = { .store = store, .box = box };
	char wire[sizeof(sync.row.storage)];
	struct slice name;
	int r = cache_mailbox_get(store->cache, box->id, &sync.row);

	if (r == 0) { /* the row is read again inside: the lease's name must stay */
		name = (struct slice){ wire, sync.row.m.wire.len };
		memcpy(wire, sync.row.m.wire.ptr, name.len);
		r = session_run(store->session, SESSION_INTERACTIVE, name, do_sync, &sync);
	}
	atomic_fetch_add(&store->count.syncs, 1);
	if (r != 0 && r != -ECANCELED) {
		atomic_fetch_add(&store->count.sync_errors, 1);
		log_line(r == -ENOTCONN ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
			 "mailbox '%.*s' could not be read from the server: %s",
			 (int)sync.row.m.utf8.len, sync.row.m.utf8.ptr, strerror(-r));
	}
	sync_ended(store, box, r);
	if (sync.changed)
		tell_listing(store, box_ino(box->id));
	if (r == -ENOENT)
		tree_refresh_start(store);
}

static void sync_job(void *arg)
{
	struct job *job = arg;
	struct store *store = job->store;
	struct box *box = job->box;

	free(job);
	pthread_mutex_lock(&store->lock);
	box->queued = false;
	box->syncing = true;
	box->uids_ready = false;
	store->syncing++;
	box->began_ms = clock_ms();
	pthread_mutex_unlock(&store->lock);
	if (atomic_load(&store->stopped))
		sync_ended(store, box, -ECANCELED);
	else
		sync_run(store, box);
}

int sync_start(struct store *store, struct box *box)
{
	struct job *job = malloc(sizeof(*job));
	bool claimed;
	int r = 0;

	if (job == NULL)
		return -ENOMEM;
	*job = (struct job){ store, box };
	pthread_mutex_lock(&store->lock);
	claimed = !box->queued && !box->syncing;
	if (claimed)
		box->queued = box->used = true;
	pthread_mutex_unlock(&store->lock);
	if (claimed)
		r = pool_submit(store->pool, sync_job, job);
	if (claimed && r == 0)
		return 0;
	free(job);
	if (!claimed)
		return 0;
	pthread_mutex_lock(&store->lock);
	box->queued = false;
	pthread_mutex_unlock(&store->lock);
	return r == -ESHUTDOWN ? -ECANCELED : -EIO;
}

int sync_wait_uids(struct store *store, struct box *box)
{
	struct sync_mark first, mark;
	int r;

	sync_look(store, box, &first);
	if (first.uids_ready)
		return 0;
	r = sync_start(store, box);
	while (r == 0) {
		sync_look(store, box, &mark);
		if (mark.uid_lists != first.uid_lists)
			return 0;
		if (mark.syncs != first.syncs)
			return mark.error != 0 ? mark.error : -EIO;
		r = sync_wait_step(store, &mark, CLOCK_NEVER);
	}
	return r;
}

void sync_hint(struct store *store, struct box *box, int64_t not_within_ms)
{
	struct sync_mark mark;

	sync_look(store, box, &mark);
	if (!mark.busy && (mark.tried_ms == 0 || clock_ms() - mark.tried_ms > not_within_ms))
		sync_start(store, box);
}
