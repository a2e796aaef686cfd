/*
 * .imapfs/status and status.json: one set of facts, two ways to write it.
 *
 * Nobody tells us when such a file is opened, so a snapshot belongs to the thread that looks at it: made at its
 * first stat, kept while it reads on, so that it sees one text whole, of exactly the size it was told.
 */
#include "fs/fs_private.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/notify.h"
#include "fs/request.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/utf8.h"

#define SNAPSHOT_MS 1000 /* a reader idle for longer gets news */
#define TEXT_MAX (4u * 1024 * 1024)
#define MAILBOXES_MAX 10000u

/* ---- facts ------------------------------------------------------------------ */

static void put_number(json_t *facts, const char *key, uint64_t number)
{
	json_object_set_new(facts, key, json_integer((json_int_t)number));
}

/* Text from elsewhere: invalid bytes become U+FFFD. */
static void put_slice(json_t *facts, const char *key, struct slice text)
{
	struct buf clean;

	buf_init(&clean, 8192);
	while (text.len) {
		char utf8[4];
		uint32_t ch = utf8_next(&text);
		size_t len = utf8_put(ch == UINT32_MAX ? 0xfffd : ch, utf8);

		buf_append(&clean, utf8, len);
	}
	json_object_set_new(facts, key, json_stringn(clean.ptr ? clean.ptr : "", clean.len));
	buf_release(&clean);
}

static void put_text(json_t *facts, const char *key, const char *text)
{
	put_slice(facts, key, slice_of(text));
}

static void put_time(json_t *facts, const char *key, int64_t when_s)
{
	time_t t = (time_t)when_s;
	char text[32];
	struct tm tm;

	if (when_s > 0 && gmtime_r(&t, &tm) &&
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		put_text(facts, key, text);
}

static void put_session(json_t *facts, struct session *session)
{
	struct session_status s;

	if (!session)
		return;
	session_status_get(session, &s);
	put_text(facts, "state", s.state);
	put_text(facts, "server", s.server);
	put_text(facts, "tls", s.tls[0] ? s.tls : "none");
	put_number(facts, "connections", s.connections);
	put_number(facts, "connections_busy", s.leased);
	put_number(facts, "connections_max", s.connections_max);
	put_number(facts, "reconnects", s.reconnects);
	put_number(facts, "bytes_in", s.bytes_in);
	put_number(facts, "bytes_out", s.bytes_out);
	put_number(facts, "skipped_responses", s.skipped);
	if (s.last_error_s) {
		put_time(facts, "last_error_time", s.last_error_s);
		put_text(facts, "last_error", s.last_error);
	}
}

static void put_store(json_t *facts, struct store *store)
{
	struct store_status s;

	store_status_get(store, &s);
	put_number(facts, "syncs", s.syncs);
	put_number(facts, "sync_errors", s.sync_errors);
	put_number(facts, "syncing", s.syncing);
	put_number(facts, "messages_listed", s.messages_fetched);
	put_number(facts, "messages_skipped", s.skipped_messages);
	put_number(facts, "messages_fetched", s.bodies_fetched);
	put_number(facts, "body_bytes", s.body_bytes);
	put_number(facts, "single_fetches", s.single_fetches);
	put_number(facts, "readahead_batches", s.readahead_batches);
	put_number(facts, "readahead_hits", s.readahead_hits);
	put_number(facts, "ring_bytes", s.ring_bytes);
	put_number(facts, "ring_limit", s.ring_limit);
}

static void put_cache(json_t *facts, struct cache *cache)
{
	struct cache_status s;
	uint64_t reads;

	if (!cache)
		return;
	cache_status_get(cache, &s);
	reads = s.body_hits + s.body_misses;
	put_number(facts, "mailboxes", s.mailboxes);
	put_number(facts, "cache_index_bytes", s.index_bytes);
	put_number(facts, "cache_bodies_bytes", s.bodies_bytes);
	put_number(facts, "cache_bodies_limit", s.bodies_limit);
	put_number(facts, "cache_hits", s.body_hits);
	put_number(facts, "cache_misses", s.body_misses);
	put_number(facts, "cache_hit_percent", reads ? s.body_hits * 100 / reads : 0);
	put_number(facts, "cache_evicted", s.evicted);
	put_number(facts, "cache_set_aside", s.set_aside);
}

static void put_kernel(json_t *facts, struct fs *fs)
{
	struct notify_status s;

	notify_status_get(fs->notify, &s);
	put_number(facts, "requests_inline", atomic_load(&fs->inline_replies));
	put_number(facts, "requests_deferred", atomic_load(&fs->deferred));
	put_number(facts, "requests_waiting", requests_count(fs));
	put_number(facts, "notifications", s.sent);
	put_number(facts, "notifications_queued", s.queued);
	put_number(facts, "notification_overflows", s.overflows);
	put_number(facts, "bodies_pushed", s.bodies_pushed);
	put_number(facts, "bodies_not_wanted", s.bodies_unknown);
	put_number(facts, "bodies_dropped", s.bodies_dropped);
}

static void put_mailbox(void *user, struct slice utf8, int64_t age_s, bool syncing)
{
	json_t *list = user, *facts;

	if (json_array_size(list) >= MAILBOXES_MAX)
		return;
	facts = json_object();
	put_slice(facts, "name", utf8);
	json_object_set_new(facts, "synced_seconds_ago",
			    age_s < 0 ? json_null() : json_integer(age_s));
	json_object_set_new(facts, "syncing", json_boolean(syncing));
	json_array_append_new(list, facts);
}

/* NULL when out of memory. jansson's setters take NULL and fail quietly, so one check at the end does. */
static json_t *facts_new(struct fs *fs)
{
	json_t *facts = json_object(), *list = json_array();

	if (!facts || !list) {
		json_decref(facts);
		json_decref(list);
		return NULL;
	}
	put_text(facts, "version", fs->version);
	put_text(facts, "account", fs->account);
	put_text(facts, "source", fs->source);
	put_text(facts, "mode", fs->read_only ? "ro" : "rw");
	put_time(facts, "mounted_since", fs->mounted_s);
	put_session(facts, fs->session);
	put_store(facts, fs->store);
	put_cache(facts, fs->cache);
	put_kernel(facts, fs);
	store_status_mailboxes(fs->store, put_mailbox, list);
	json_object_set_new(facts, "synced", list);
	return facts;
}

/* ---- two ways to write them ------------------------------------------------- */

static void append_clean(struct buf *buf, const char *text)
{
	for (; *text; text++)
		buf_append_char(buf, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void append_mailboxes(struct buf *buf, const json_t *list)
{
	json_t *mailbox;
	size_t i;

	json_array_foreach(list, i, mailbox)
	{
		const json_t *age = json_object_get(mailbox, "synced_seconds_ago");

		buf_append_str(buf, "synced: ");
		append_clean(buf, json_string_value(json_object_get(mailbox, "name")));
		if (json_is_integer(age))
			buf_appendf(buf, " (%lld s ago%s)\n", (long long)json_integer_value(age),
				    json_is_true(json_object_get(mailbox, "syncing")) ? ", syncing"
										      : "");
		else
			buf_appendf(buf, " (%s)\n",
				    json_is_true(json_object_get(mailbox, "syncing")) ? "syncing"
										      : "never");
	}
}

int fs_status_text(struct fs *fs, char **ret_text, size_t *ret_len)
{
	json_t *facts = facts_new(fs), *value;
	const char *key;
	struct buf buf;

	if (!facts)
		return -ENOMEM;
	buf_init(&buf, TEXT_MAX);
	json_object_foreach(facts, key, value)
	{
		if (json_is_array(value)) {
			append_mailboxes(&buf, value);
			continue;
		}
		buf_appendf(&buf, "%s: ", key);
		if (json_is_integer(value))
			buf_appendf(&buf, "%lld", (long long)json_integer_value(value));
		else
			append_clean(&buf, json_string_value(value));
		buf_append_char(&buf, '\n');
	}
	json_decref(facts);
	if (buf.error) {
		int err = buf.error;

		buf_release(&buf);
		return err;
	}
	*ret_text = buf.ptr;
	*ret_len = buf.len;
	return 0;
}

int fs_status_json(struct fs *fs, char **ret_text, size_t *ret_len)
{
	json_t *facts = facts_new(fs);
	char *text, *line;
	size_t len;

	if (!facts)
		return -ENOMEM;
	text = json_dumps(facts, JSON_INDENT(2));
	json_decref(facts);
	if (!text)
		return -ENOMEM;
	len = strlen(text);
	line = realloc(text, len + 2);
	if (!line) {
		free(text);
		return -ENOMEM;
	}
	memcpy(line + len, "\n", 2);
	*ret_text = line;
	*ret_len = len + 1;
	return 0;
}

/* ---- snapshots -------------------------------------------------------------- */

static void snapshot_clear(struct status_snapshot *snapshot)
{
	free(snapshot->text);
	memset(snapshot, 0, sizeof(*snapshot));
}

/* The reader's own, else the one that was used least recently. */
static struct status_snapshot *slot_locked(struct fs *fs, int which, pid_t pid)
{
	struct status_snapshot *slot = &fs->status[0];

	for (size_t i = 0; i < STATUS_SNAPSHOTS; i++) {
		struct status_snapshot *s = &fs->status[i];

		if (s->which == which && s->pid == pid)
			return s;
		if (!s->which ? slot->which : s->used_ms < slot->used_ms)
			slot = s;
	}
	return slot;
}

/* Makes one unless the reader has one that it is still busy with; `keep`: whatever its age. */
static int snapshot_get_locked(struct fs *fs, int which, pid_t pid, bool keep,
			       struct status_snapshot **ret_snapshot)
{
	struct status_snapshot *slot = slot_locked(fs, which, pid);
	int64_t now_ms = clock_ms();
	char *text;
	size_t len;
	int err;

	if (!(slot->which == which && slot->pid == pid &&
	      (keep || now_ms - slot->used_ms < SNAPSHOT_MS))) {
		err = which == STATUS_JSON ? fs_status_json(fs, &text, &len)
					   : fs_status_text(fs, &text, &len);
		if (err)
			return err;
		snapshot_clear(slot);
		slot->which = which;
		slot->pid = pid;
		slot->text = text;
		slot->len = len;
		clock_gettime(CLOCK_REALTIME, &slot->made);
	}
	slot->used_ms = now_ms;
	*ret_snapshot = slot;
	return 0;
}

int fs_status_stat(struct fs *fs, int which, pid_t pid, uint64_t *ret_size,
		   struct timespec *ret_time)
{
	struct status_snapshot *snapshot;
	int err;

	pthread_mutex_lock(&fs->status_lock);
	err = snapshot_get_locked(fs, which, pid, false, &snapshot);
	if (!err) {
		*ret_size = snapshot->len;
		*ret_time = snapshot->made;
	}
	pthread_mutex_unlock(&fs->status_lock);
	return err;
}

ssize_t fs_status_read(struct fs *fs, int which, pid_t pid, uint64_t offset, char *buf, size_t len)
{
	struct status_snapshot *snapshot;
	ssize_t got = 0;
	int err;

	pthread_mutex_lock(&fs->status_lock);
	err = snapshot_get_locked(fs, which, pid, true, &snapshot);
	if (err) {
		got = err;
	} else if (offset < snapshot->len) {
		got = (ssize_t)(len < snapshot->len - offset ? len : snapshot->len - offset);
		memcpy(buf, snapshot->text + offset, (size_t)got);
	}
	pthread_mutex_unlock(&fs->status_lock);
	return got;
}

void fs_status_forget(struct fs *fs, pid_t pid)
{
	pthread_mutex_lock(&fs->status_lock);
	for (size_t i = 0; i < STATUS_SNAPSHOTS; i++)
		if (fs->status[i].which && fs->status[i].pid == pid)
			snapshot_clear(&fs->status[i]);
	pthread_mutex_unlock(&fs->status_lock);
}

void fs_status_release(struct fs *fs)
{
	for (size_t i = 0; i < STATUS_SNAPSHOTS; i++)
		snapshot_clear(&fs->status[i]);
}
