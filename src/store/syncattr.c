/*
 * Attributes of messages, newest first: several FETCH commands of growing size under way, rows
 * written in batches as they come, so that a listing can begin while the rest still arrives. What
 * is not answered is asked for again; what is not answered then either is looked for, and listed
 * with placeholders where it exists.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/merge.h"
#include "store/private.h"
#include "util/log.h"

#define BATCH 1000
#define TEXT_MAX (1024u * 1024) /* names and keywords of a batch */
#define UNDER_WAY 3             /* the server never waits for us */
#define CHUNK_FIRST 250         /* a first page is there soon */
#define CHUNK_SECOND 1000
#define CHUNK_MAX 4000
#define CHUNK_RANGES 300 /* of a set: fits a line */
#define ROUNDS 2

struct attr_text {
	size_t name, name_len, keywords, keywords_len, emailid, emailid_len;
};

struct attr_fetch {
	struct sync *sync;
	bool readable;
	struct imap_set wanted; /* of this round, what is still to be asked for */
	struct imap_set asked;  /* of this round */
	struct imap_set seen;   /* of those, what was answered */
	struct cache_message rows[BATCH];
	struct attr_text texts[BATCH];
	size_t count;
	struct buf text;
	size_t chunk;
	int error;
};

/* ---- rows ------------------------------------------------------------------------------ */

static struct slice text_at(const struct attr_fetch *fetch, size_t at, size_t len)
{
	return len > 0 ? (struct slice){ fetch->text.ptr + at, len } : SLICE_LIT("");
}

static void flush(struct attr_fetch *fetch)
{
	struct store *store = fetch->sync->store;
	int r;

	if (fetch->count == 0 || fetch->error != 0)
		return;
	for (size_t i = 0; i < fetch->count; i++) { /* the text has moved while it grew */
		const struct attr_text *text = &fetch->texts[i];

		fetch->rows[i].name = text_at(fetch, text->name, text->name_len);
		fetch->rows[i].keywords = text_at(fetch, text->keywords, text->keywords_len);
		fetch->rows[i].emailid = text_at(fetch, text->emailid, text->emailid_len);
	}
	r = cache_message_put(store->cache, fetch->rows, fetch->count);
	if (r != 0)
		fetch->error = r;
	atomic_fetch_add(&store->count.messages_fetched, fetch->count);
	fetch->count = 0;
	buf_clear(&fetch->text);
	sync_progress(store);
}

static void add_row(struct attr_fetch *fetch, const struct imap_event_fetch *answer)
{
	struct cache_message *row = &fetch->rows[fetch->count];
	struct attr_text *text = &fetch->texts[fetch->count];
	char name[MSGNAME_SIZE];

	*row = (struct cache_message){
		.box = fetch->sync->number,
		.uid = answer->uid,
		.known = true,
		/* A size of 0 would never be read, so nobody would see that the message cannot be.
		 */
		.size = answer->present & IMAP_FETCH_SIZE ? answer->size : 1,
		.internaldate = answer->present & IMAP_FETCH_INTERNALDATE ? answer->internaldate
									  : 0,
		.flags = answer->flags & ~(uint32_t)IMAP_FLAG_RECENT,
		.modseq = answer->present & IMAP_FETCH_MODSEQ ? answer->modseq : 0,
	};
	memset(text, 0, sizeof(*text));
	text->keywords = fetch->text.len;
	merge_keywords(answer->keywords, answer->keyword_count, &fetch->text);
	text->keywords_len = fetch->text.len - text->keywords;
	if (fetch->readable) {
		text->name = fetch->text.len;
		text->name_len = msgname_readable(row->internaldate, answer->envelope, answer->uid,
						  name);
		buf_append(&fetch->text, name, text->name_len);
	}
	if (answer->present & IMAP_FETCH_EMAILID && answer->emailid.len <= CACHE_NAME_MAX) {
		text->emailid = fetch->text.len;
		text->emailid_len = answer->emailid.len;
		buf_append_slice(&fetch->text, answer->emailid);
	}
	if (fetch->text.error != 0)
		fetch->error = fetch->text.error;
	fetch->count++;
	if (fetch->count == BATCH || fetch->text.len > TEXT_MAX / 2)
		flush(fetch);
}

static bool on_attributes(void *user, const struct imap_event *event)
{
	struct attr_fetch *fetch = user;
	const struct imap_event_fetch *answer = &event->fetch;
	const uint32_t complete = IMAP_FETCH_SIZE | IMAP_FETCH_INTERNALDATE;

	if (event->type != IMAP_EVENT_FETCH)
		return false;
	/* Flags that changed meanwhile come in answers of their own, without what we asked for. */
	if (fetch->error != 0 || answer->uid == 0 || !imap_set_contains(&fetch->asked, answer->uid))
		return true;
	if ((answer->present & complete) != complete && !(answer->present & IMAP_FETCH_BROKEN))
		return true;
	if (answer->present & IMAP_FETCH_BROKEN)
		atomic_fetch_add(&fetch->sync->store->count.skipped_messages,
				 (answer->present & complete) != complete);
	fetch->error = imap_set_add(&fetch->seen, answer->uid);
	if (fetch->error == 0)
		add_row(fetch, answer);
	return true;
}

/* ---- asking ---------------------------------------------------------------------------- */

static int send_chunk(struct attr_fetch *fetch, struct imap_conn *conn,
		      struct imap_request *request)
{
	const struct imap_capabilities *caps = imap_conn_capabilities(conn);
	struct imap_set chunk = { 0 };
	struct imap_command *command;
	int r = merge_take_top(&fetch->wanted, fetch->chunk, CHUNK_RANGES, &chunk);

	if (r != 0)
		return r;
	for (size_t i = chunk.count; i > 0 && r == 0; i--)
		r = imap_set_add_range(&fetch->asked, chunk.ranges[i - 1].first,
				       chunk.ranges[i - 1].last);
	fetch->chunk = fetch->chunk * 4 < CHUNK_MAX ? fetch->chunk * 4 : CHUNK_MAX;
	command = imap_command_new("UID FETCH");
	imap_command_set(command, &chunk);
	imap_set_release(&chunk);
	imap_command_open(command);
	imap_command_atom(command, "UID");
	imap_command_atom(command, "FLAGS");
	imap_command_atom(command, "INTERNALDATE");
	imap_command_atom(command, "RFC822.SIZE");
	if (imap_has(caps, IMAP_CAP_CONDSTORE) && fetch->sync->selected.highestmodseq != 0)
		imap_command_atom(command, "MODSEQ");
	if (imap_has(caps, IMAP_CAP_OBJECTID))
		imap_command_atom(command, "EMAILID");
	if (fetch->readable)
		imap_command_atom(command, "ENVELOPE");
	imap_command_close(command);
	*request = (struct imap_request){ .event = on_attributes, .user = fetch };
	if (r != 0) {
		imap_command_free(&command);
		return r;
	}
	return imap_conn_send(conn, &command, request);
}

/* Asks for all of `wanted`. NO to a chunk is no error: what it would have told is missing then. */
static int fetch_round(struct attr_fetch *fetch, struct imap_conn *conn)
{
	struct imap_request requests[UNDER_WAY];
	size_t sent = 0, done = 0;
	int r = 0, result = 0;

	while (done < sent || (fetch->wanted.count > 0 && result == 0)) {
		if (fetch->wanted.count > 0 && result == 0 && sent - done < UNDER_WAY) {
			r = send_chunk(fetch, conn, &requests[sent % UNDER_WAY]);
			if (r == 0)
				sent++;
		} else {
			/* The requests live on this stack: all that were sent are waited for, or
			 * the connection is over. */
			struct imap_request *request = &requests[done++ % UNDER_WAY];

			r = imap_conn_wait(conn, request, 1);
			if (r == 0 && request->answer.status != IMAP_OK)
				log_warning("the server did not give all attributes: %s",
					    request->answer.text);
			if (r == 0)
				r = fetch->error;
		}
		if (r != 0 && !imap_conn_alive(conn))
			return r;
		if (r != 0 && result == 0)
			result = r;
	}
	flush(fetch);
	return result != 0 ? result : fetch->error;
}

/* ---- what is missing ------------------------------------------------------------------------ */

static int list_with_placeholders(struct attr_fetch *fetch, const struct imap_set *set)
{
	uint64_t count = imap_set_size(set);

	for (size_t i = 0; i < set->count; i++) {
		for (uint64_t uid = set->ranges[i].first;
		     uid <= set->ranges[i].last && fetch->error == 0; uid++) {
			const struct imap_event_fetch nothing = { .uid = (imap_uid)uid };

			add_row(fetch, &nothing);
		}
	}
	flush(fetch);
	atomic_fetch_add(&fetch->sync->store->count.skipped_messages, count);
	log_warning("mailbox '%.*s': the server does not tell the attributes of %llu messages",
		    (int)fetch->sync->row.m.utf8.len, fetch->sync->row.m.utf8.ptr,
		    (unsigned long long)count);
	return fetch->error;
}

/* Asked for twice and not answered: gone since, or something the server cannot give. */
static int settle_missing(struct attr_fetch *fetch, struct imap_conn *conn,
			  const struct imap_set *missing)
{
	struct imap_set there = { 0 }, gone = { 0 }, dumb = { 0 };
	int r = imap_uid_search_all(conn, &there, NULL);

	if (r == 0)
		r = merge_subtract(missing, &there, &gone);
	if (r == 0)
		r = merge_intersect(missing, &there, &dumb);
	if (r == 0)
		r = sync_remove(fetch->sync, &gone);
	if (r == 0 && dumb.count > 0)
		r = list_with_placeholders(fetch, &dumb);
	imap_set_release(&there);
	imap_set_release(&gone);
	imap_set_release(&dumb);
	return r;
}

static int copy_set(const struct imap_set *from, struct imap_set *ret_to)
{
	struct imap_set none = { 0 };

	return merge_subtract(from, &none, ret_to);
}

/* All of `set`, which is taken over. */
static int fetch_set(struct attr_fetch *fetch, struct imap_conn *conn, struct imap_set *set)
{
	int r = 0;

	for (int round = 0; round < ROUNDS && r == 0 && set->count > 0; round++) {
		imap_set_clear(&fetch->asked);
		imap_set_clear(&fetch->seen);
		r = copy_set(set, &fetch->wanted);
		if (r == 0)
			r = fetch_round(fetch, conn);
		if (r == 0)
			r = merge_subtract(set, &fetch->seen, set);
	}
	if (r == 0 && set->count > 0)
		r = settle_missing(fetch, conn, set);
	return r;
}

/* ---- the two rounds of a sync ------------------------------------------------------------- */

static struct attr_fetch *fetch_new(struct sync *sync, size_t chunk)
{
	struct attr_fetch *fetch = calloc(1, sizeof(*fetch));

	if (fetch == NULL)
		return NULL;
	fetch->sync = sync;
	fetch->readable = sync->store->names == STORE_NAMES_READABLE;
	fetch->chunk = chunk;
	buf_init(&fetch->text, TEXT_MAX);
	return fetch;
}

static void fetch_free(struct attr_fetch *fetch)
{
	imap_set_release(&fetch->wanted);
	imap_set_release(&fetch->asked);
	imap_set_release(&fetch->seen);
	buf_release(&fetch->text);
	free(fetch);
}

/* The UIDs are what the SEARCH says; what was expunged between the FETCH and it goes again. */
static int settle_first(struct attr_fetch *fetch, const struct imap_set *uids)
{
	struct sync *sync = fetch->sync;
	struct imap_set gone = { 0 };
	int r = cache_message_add_uids(sync->store->cache, sync->number, uids);

	if (r == 0)
		r = merge_subtract(&fetch->seen, uids, &gone);
	if (r == 0 && gone.count > 0)
		r = sync_remove(sync, &gone);
	imap_set_release(&gone);
	return r;
}

static int first_round(struct attr_fetch *fetch, struct imap_conn *conn)
{
	const struct imap_selected *selected = &fetch->sync->selected;
	struct imap_request request = { .done = true };
	struct imap_set uids = { 0 };
	int r = 0;

	/* The newest are asked for before it is known which there are: a round trip less until a listing begins. */
	if (selected->uidnext > 1)
		r = imap_set_add_range(
			&fetch->wanted,
			selected->uidnext > CHUNK_FIRST ? selected->uidnext - CHUNK_FIRST : 1,
			selected->uidnext - 1);
	if (r == 0 && fetch->wanted.count > 0)
		r = send_chunk(fetch, conn, &request);
	if (r == 0)
		r = imap_uid_search_all(conn, &uids, NULL);
	/* The request lives on this stack. */
	if (!request.done && imap_conn_alive(conn)) {
		int waited = imap_conn_wait(conn, &request, 1);

		r = r != 0 ? r : waited;
	}
	flush(fetch);
	if (r == 0)
		r = fetch->error;
	if (r == 0)
		r = settle_first(fetch, &uids);
	imap_set_release(&uids);
	return r;
}

int sync_first_uids(struct sync *sync, struct lease *lease)
{
	struct attr_fetch *fetch;
	int r;

	if (sync->selected.exists == 0)
		return 0;
	fetch = fetch_new(sync, CHUNK_FIRST);
	if (fetch == NULL)
		return -ENOMEM;
	r = first_round(fetch, lease_conn(lease));
	fetch_free(fetch);
	return r;
}

int sync_attributes(struct sync *sync, struct lease *lease, const struct imap_set *again)
{
	struct attr_fetch *fetch;
	struct imap_set unknown = { 0 };
	int r = cache_message_uids(sync->store->cache, sync->number, true, &unknown);

	for (size_t i = 0; r == 0 && i < again->count; i++)
		r = imap_set_add_range(&unknown, again->ranges[i].first, again->ranges[i].last);
	if (r == 0 && unknown.count > 0) {
		fetch = fetch_new(sync, sync->first ? CHUNK_SECOND : CHUNK_FIRST);
		r = fetch == NULL ? -ENOMEM : fetch_set(fetch, lease_conn(lease), &unknown);
		if (fetch != NULL)
			fetch_free(fetch);
	}
	imap_set_release(&unknown);
	return r;
}
