/* See sink.h. */
#include "store/sink.h"

#include <errno.h>
#include <string.h>

#include "store/private.h"

static void drop_held(struct sink *sink)
{
	while (sink->held_count > 0)
		store_body_put(&sink->held[--sink->held_count]);
	sink->held_literal = false;
}

static void fail(struct sink *sink, int error)
{
	if (sink->error == 0)
		sink->error = error;
	sink->active = false;
	store_body_put(&sink->current);
	drop_held(sink);
}

void sink_release(struct sink *sink)
{
	store_body_put(&sink->current);
	drop_held(sink);
}

/* The next chunk of the literal, of the size that is known to come. */
static bool open_chunk(struct sink *sink)
{
	uint64_t len = sink->left < CACHE_CHUNK_SIZE ? sink->left : CACHE_CHUNK_SIZE;
	int r = ring_alloc(sink->store->ring, sink->number, sink->uid,
			   (uint32_t)(sink->position / CACHE_CHUNK_SIZE), (size_t)len,
			   sink->patient || sink->position > sink->begun, &sink->current);

	sink->filled = 0;
	if (r != 0)
		fail(sink, r);
	return r == 0;
}

static void close_chunk(struct sink *sink)
{
	atomic_fetch_add(&sink->store->count.bodies_fetched, sink->position <= CACHE_CHUNK_SIZE);
	atomic_fetch_add(&sink->store->count.body_bytes, sink->current->len);
	if (sink->uid != 0) {
		sink->chunk(sink->user, sink->current);
		store_body_put(&sink->current);
	} else if (sink->held_count < SINK_HELD_MAX) {
		sink->held[sink->held_count++] = sink->current;
		sink->current = NULL;
	} else {
		fail(sink, -EIO); /* megabytes without saying whose */
	}
}

static void begin(struct sink *sink, imap_uid uid, int64_t origin, uint64_t size)
{
	uint64_t position = origin > 0 ? (uint64_t)origin : 0;

	drop_held(sink);
	store_body_put(&sink->current);
	sink->active = false;
	if (uid != 0 && !sink->wants(sink->user, uid))
		return;
	if (position % CACHE_CHUNK_SIZE != 0 || position / CACHE_CHUNK_SIZE > UINT32_MAX / 2) {
		sink->strange = true; /* not a window of ours */
		return;
	}
	sink->active = true;
	sink->uid = uid;
	sink->begun = sink->position = position;
	sink->left = size;
	sink->whole = origin < 0;
	open_chunk(sink);
}

static void take_data(struct sink *sink, struct slice data)
{
	while (data.len > 0 && sink->active) {
		size_t room, len;

		if (sink->current == NULL && !open_chunk(sink))
			return;
		room = sink->current->len - sink->filled;
		len = data.len < room ? data.len : room;
		if (len == 0) { /* more than announced: not to be believed */
			fail(sink, -EIO);
			return;
		}
		memcpy(ring_body_data(sink->current) + sink->filled, data.ptr, len);
		sink->filled += len;
		sink->position += len;
		sink->left -= len;
		data.ptr += len;
		data.len -= len;
		if (sink->filled == sink->current->len && sink->left > 0)
			close_chunk(sink);
	}
}

/* The whole message ends where it ends; of a window only a short one shows the end, and an empty
 * one nothing but that the message ends before it or there. */
static void tell_end(struct sink *sink)
{
	uint64_t end = sink->position;

	sink->end(sink->user, sink->uid, end,
		  sink->whole || (end > sink->begun && end - sink->begun < CACHE_CHUNK_SIZE));
}

static void finish(struct sink *sink)
{
	if (!sink->active)
		return;
	if (sink->left > 0 || sink->current == NULL) {
		fail(sink, -EIO);
		return;
	}
	/* An empty window is no chunk. */
	if (sink->current->len == 0 && sink->begun > 0)
		store_body_put(&sink->current);
	else
		close_chunk(sink);
	sink->active = false;
	if (sink->uid != 0)
		tell_end(sink);
	else if (sink->error == 0)
		sink->held_literal = true;
}

/* The FETCH event: says whose the held chunks are, and brings bodies that were no literals. */
static void settle(struct sink *sink, const struct imap_event_fetch *fetch)
{
	if (sink->held_literal && fetch->uid != 0 && sink->wants(sink->user, fetch->uid)) {
		sink->uid = fetch->uid;
		for (size_t i = 0; i < sink->held_count; i++) {
			ring_body_rename(sink->held[i], fetch->uid);
			sink->chunk(sink->user, sink->held[i]);
		}
		tell_end(sink);
	} else if (sink->held_literal) {
		sink->strange = true;
	}
	drop_held(sink);
	for (size_t i = 0; i < fetch->section_count; i++) {
		const struct imap_section *section = &fetch->sections[i];

		if (section->name.len > 0 || section->text.ptr == NULL || section->nil)
			continue;
		if (fetch->uid == 0) {
			sink->strange = true;
			continue;
		}
		begin(sink, fetch->uid, section->origin, section->text.len);
		take_data(sink, section->text);
		finish(sink);
	}
}

bool sink_event(void *user, const struct imap_event *event)
{
	struct sink *sink = user;

	switch (event->type) {
	case IMAP_EVENT_BODY_BEGIN:
		if (event->body.section.len == 0)
			begin(sink, event->body.uid, event->body.origin, event->body.size);
		else
			sink->active = false;
		return true;
	case IMAP_EVENT_BODY_DATA: take_data(sink, event->data); return true;
	case IMAP_EVENT_BODY_END: finish(sink); return true;
	case IMAP_EVENT_FETCH: settle(sink, &event->fetch); return true;
	default: return false;
	}
}
