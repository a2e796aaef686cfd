/* Events as text (see transcript.h). */
#include "transcript.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <imap/parser.h>

#define TRANSCRIPT_CAP (256u * 1024 * 1024)

const struct transcript_cut transcript_cuts[] = {
	{ "whole", 0, 0, 0 },           { "whole, exact block", 0, 0, 1 },
	{ "byte by byte", 1, 0, 0 },    { "byte by byte, exact blocks", 1, 0, 1 },
	{ "two bytes", 2, 0, 1 },       { "random, short", 7, 1, 1 },
	{ "random, longer", 40, 2, 1 }, { "random, long", 4000, 3, 1 },
};
const size_t transcript_cut_count = ARRAY_SIZE(transcript_cuts);

void transcript_init(struct transcript *transcript)
{
	*transcript = (struct transcript){ 0 };
	buf_init(&transcript->text, TRANSCRIPT_CAP);
}

void transcript_release(struct transcript *transcript)
{
	buf_release(&transcript->text);
}

/* ---- pieces --------------------------------------------------------------------- */

static void put_bytes(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < 0x20 || c >= 0x7f || c == '\\' || c == '"')
			buf_appendf(out, "\\x%02x", c);
		else
			buf_append_char(out, (char)c);
	}
}

static void put_text(struct buf *out, struct slice text)
{
	if (!text.ptr) {
		buf_append_str(out, "NIL");
		return;
	}
	buf_append_char(out, '"');
	put_bytes(out, text);
	buf_append_char(out, '"');
}

static void put_field(struct buf *out, const char *name, struct slice text)
{
	buf_appendf(out, " %s=", name);
	put_text(out, text);
}

static void put_values(struct buf *out, const struct imap_value *value)
{
	for (const char *gap = ""; value; value = value->next, gap = " ") {
		buf_append_str(out, gap);
		switch (value->type) {
		case IMAP_VALUE_ATOM: put_bytes(out, value->text); break;
		case IMAP_VALUE_STRING: put_text(out, value->text); break;
		case IMAP_VALUE_LIST:
			buf_append_char(out, '(');
			put_values(out, value->child);
			buf_append_char(out, ')');
			break;
		case IMAP_VALUE_STREAMED: buf_appendf(out, "{%zu streamed}", value->text.len);
		}
	}
}

static void put_slices(struct buf *out, const struct slice *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_append_char(out, ' ');
		put_text(out, items[i]);
	}
}

static void put_set(struct buf *out, const struct imap_set *set)
{
	char text[256];
	size_t pos = 0;
	const char *gap = " set=";

	if (!set)
		return;
	if (set->count == 0)
		buf_append_str(out, " set=");
	while (imap_set_format(set, &pos, text, sizeof(text))) {
		buf_appendf(out, "%s%s", gap, text);
		gap = ",";
	}
}

static void put_flags(struct buf *out, uint32_t flags, const struct slice *keywords, size_t count)
{
	static const char *const names[] = { "Seen",    "Answered", "Flagged",
					     "Deleted", "Draft",    "Recent" };
	const char *gap = "";

	buf_append_char(out, '(');
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(flags >> i & 1))
			continue;
		buf_appendf(out, "%s\\%s", gap, names[i]);
		gap = " ";
	}
	for (size_t i = 0; i < count; i++, gap = " ") {
		buf_append_str(out, gap);
		put_bytes(out, keywords[i]);
	}
	buf_append_char(out, ')');
}

static void put_addresses(struct buf *out, const char *name, struct imap_address_list list)
{
	if (list.count == 0)
		return;
	buf_appendf(out, " %s=(", name);
	for (size_t i = 0; i < list.count; i++) {
		const struct imap_address *address = &list.items[i];

		buf_append_str(out, i ? " (" : "(");
		put_text(out, address->name);
		buf_append_char(out, ' ');
		put_text(out, address->route);
		buf_append_char(out, ' ');
		put_text(out, address->mailbox);
		buf_append_char(out, ' ');
		put_text(out, address->host);
		buf_append_char(out, ')');
	}
	buf_append_char(out, ')');
}

static void put_envelope(struct buf *out, const struct imap_envelope *env)
{
	buf_append_str(out, " ENVELOPE={");
	put_text(out, env->date);
	put_field(out, "subject", env->subject);
	put_addresses(out, "from", env->from);
	put_addresses(out, "sender", env->sender);
	put_addresses(out, "reply-to", env->reply_to);
	put_addresses(out, "to", env->to);
	put_addresses(out, "cc", env->cc);
	put_addresses(out, "bcc", env->bcc);
	put_field(out, "in-reply-to", env->in_reply_to);
	put_field(out, "message-id", env->message_id);
	buf_append_char(out, '}');
}

static void put_origin(struct buf *out, int64_t origin)
{
	if (origin >= 0)
		buf_appendf(out, "<%" PRId64 ">", origin);
}

/* ---- events ---------------------------------------------------------------------- */

static void put_status(struct buf *out, const struct imap_event_status *status)
{
	static const char *const words[] = { "OK", "NO", "BAD", "BYE", "PREAUTH" };

	if (status->tag.ptr)
		put_field(out, "tag", status->tag);
	buf_appendf(out, " %s", words[status->status]);
	if (status->code) {
		buf_appendf(out, " code=%s", status->code == IMAP_CODE_OTHER ? "other:" : "");
		put_bytes(out, status->code_name);
		if (status->code_data.len)
			put_field(out, "data", status->code_data);
		if (status->code_number)
			buf_appendf(out, " number=%" PRIu64, status->code_number);
	}
	put_field(out, "text", status->text);
}

static void put_list(struct buf *out, const struct imap_event_list *list)
{
	char delimiter[] = { list->delimiter, '\0' };

	buf_appendf(out, " attributes=%x delimiter=%s", list->attributes, delimiter);
	put_field(out, "name", list->name);
	if (list->extended) {
		buf_append_str(out, " extended=");
		put_values(out, list->extended);
	}
}

static void put_mailbox_status(struct buf *out, const struct imap_event_mailbox_status *status)
{
	const struct {
		const char *name;
		uint32_t item;
		uint64_t value;
	} items[] = {
		{ "MESSAGES", IMAP_STATUS_MESSAGES, status->messages },
		{ "RECENT", IMAP_STATUS_RECENT, status->recent },
		{ "UIDNEXT", IMAP_STATUS_UIDNEXT, status->uidnext },
		{ "UIDVALIDITY", IMAP_STATUS_UIDVALIDITY, status->uidvalidity },
		{ "UNSEEN", IMAP_STATUS_UNSEEN, status->unseen },
		{ "HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ, status->highestmodseq },
		{ "SIZE", IMAP_STATUS_SIZE, status->size },
		{ "DELETED", IMAP_STATUS_DELETED, status->deleted },
		{ "APPENDLIMIT", IMAP_STATUS_APPENDLIMIT, status->appendlimit },
	};

	put_field(out, "name", status->name);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		if (status->present & items[i].item)
			buf_appendf(out, " %s=%" PRIu64, items[i].name, items[i].value);
	if (status->present & IMAP_STATUS_MAILBOXID)
		put_field(out, "MAILBOXID", status->mailboxid);
}

static void put_sections(struct buf *out, const struct imap_event_fetch *fetch)
{
	for (size_t i = 0; i < fetch->section_count; i++) {
		const struct imap_section *section = &fetch->sections[i];

		buf_append_str(out, " [");
		put_bytes(out, section->name);
		buf_append_char(out, ']');
		put_origin(out, section->origin);
		if (section->nil)
			buf_append_str(out, "=NIL");
		else if (!section->text.ptr)
			buf_appendf(out, "=%" PRIu64, section->size);
		else
			put_field(out, "", section->text);
	}
}

static void put_fetch(struct buf *out, const struct imap_event_fetch *fetch)
{
	uint32_t present = fetch->present;

	buf_appendf(out, " %" PRIu32, fetch->seq);
	if (present & IMAP_FETCH_UID)
		buf_appendf(out, " UID=%" PRIu32, fetch->uid);
	if (present & IMAP_FETCH_FLAGS) {
		buf_append_str(out, " FLAGS=");
		put_flags(out, fetch->flags, fetch->keywords, fetch->keyword_count);
	}
	if (present & IMAP_FETCH_INTERNALDATE)
		buf_appendf(out, " DATE=%" PRId64, fetch->internaldate);
	if (present & IMAP_FETCH_SIZE)
		buf_appendf(out, " SIZE=%" PRIu64, fetch->size);
	if (present & IMAP_FETCH_MODSEQ)
		buf_appendf(out, " MODSEQ=%" PRIu64, fetch->modseq);
	if (present & IMAP_FETCH_ENVELOPE)
		put_envelope(out, fetch->envelope);
	if (present & IMAP_FETCH_BODYSTRUCTURE) {
		buf_append_str(out, " STRUCTURE=(");
		put_values(out, fetch->bodystructure->child);
		buf_append_char(out, ')');
	}
	if (present & IMAP_FETCH_EMAILID)
		put_field(out, "EMAILID", fetch->emailid);
	if (present & IMAP_FETCH_THREADID)
		put_field(out, "THREADID", fetch->threadid);
	if (present & IMAP_FETCH_SAVEDATE)
		buf_appendf(out, " SAVEDATE=%" PRId64, fetch->savedate);
	put_sections(out, fetch);
	if (present & IMAP_FETCH_BROKEN)
		buf_append_str(out, " BROKEN");
}

static void put_namespaces(struct buf *out, const struct imap_event *event)
{
	static const char *const kinds[] = { "personal", "other", "shared" };

	for (size_t i = 0; i < event->namespaces.count; i++) {
		const struct imap_namespace *namespace = &event->namespaces.items[i];
		char delimiter[] = { namespace->delimiter, '\0' };

		buf_appendf(out, " %s=", kinds[namespace->kind]);
		put_text(out, namespace->prefix);
		buf_append_str(out, delimiter);
	}
}

static void put_search(struct buf *out, const struct imap_event *event)
{
	if (event->search.tag.ptr)
		put_field(out, "tag", event->search.tag);
	if (event->search.uid)
		buf_append_str(out, " uid");
	if (event->search.earlier)
		buf_append_str(out, " earlier");
	if (event->search.present_min)
		buf_appendf(out, " min=%" PRIu32, event->search.min);
	if (event->search.present_max)
		buf_appendf(out, " max=%" PRIu32, event->search.max);
	if (event->search.present_count)
		buf_appendf(out, " count=%" PRIu32, event->search.count);
	if (event->search.modseq)
		buf_appendf(out, " modseq=%" PRIu64, event->search.modseq);
	put_set(out, event->search.set);
}

static const char *const type_names[] = {
	[IMAP_EVENT_STATUS] = "STATUS",       [IMAP_EVENT_TAGGED] = "TAGGED",
	[IMAP_EVENT_CONTINUE] = "CONTINUE",   [IMAP_EVENT_CAPABILITY] = "CAPABILITY",
	[IMAP_EVENT_ENABLED] = "ENABLED",     [IMAP_EVENT_ID] = "ID",
	[IMAP_EVENT_NAMESPACE] = "NAMESPACE", [IMAP_EVENT_LIST] = "LIST",
	[IMAP_EVENT_LSUB] = "LSUB",           [IMAP_EVENT_MAILBOX_STATUS] = "MAILBOX",
	[IMAP_EVENT_FLAGS] = "FLAGS",         [IMAP_EVENT_EXISTS] = "EXISTS",
	[IMAP_EVENT_RECENT] = "RECENT",       [IMAP_EVENT_EXPUNGE] = "EXPUNGE",
	[IMAP_EVENT_VANISHED] = "VANISHED",   [IMAP_EVENT_FETCH] = "FETCH",
	[IMAP_EVENT_SEARCH] = "SEARCH",       [IMAP_EVENT_ESEARCH] = "ESEARCH",
	[IMAP_EVENT_OTHER] = "OTHER",         [IMAP_EVENT_SKIPPED] = "SKIPPED",
	[IMAP_EVENT_BODY_BEGIN] = "BODY",
};

static void put_event(struct buf *out, const struct imap_event *event)
{
	switch (event->type) {
	case IMAP_EVENT_STATUS:
	case IMAP_EVENT_TAGGED: put_status(out, &event->status); break;
	case IMAP_EVENT_CONTINUE: put_field(out, "text", event->status.text); break;
	case IMAP_EVENT_CAPABILITY:
	case IMAP_EVENT_ENABLED:
	case IMAP_EVENT_ID: put_slices(out, event->atoms.items, event->atoms.count); break;
	case IMAP_EVENT_NAMESPACE: put_namespaces(out, event); break;
	case IMAP_EVENT_LIST:
	case IMAP_EVENT_LSUB: put_list(out, &event->list); break;
	case IMAP_EVENT_MAILBOX_STATUS: put_mailbox_status(out, &event->mailbox_status); break;
	case IMAP_EVENT_FLAGS:
		buf_append_char(out, ' ');
		put_flags(out, event->flags.flags, event->flags.keywords,
			  event->flags.keyword_count);
		buf_append_str(out, event->flags.any ? " any" : "");
		break;
	case IMAP_EVENT_EXISTS:
	case IMAP_EVENT_RECENT:
	case IMAP_EVENT_EXPUNGE: buf_appendf(out, " %" PRIu32, event->number); break;
	case IMAP_EVENT_VANISHED:
	case IMAP_EVENT_SEARCH:
	case IMAP_EVENT_ESEARCH: put_search(out, event); break;
	case IMAP_EVENT_FETCH: put_fetch(out, &event->fetch); break;
	case IMAP_EVENT_OTHER:
		if (event->other.number)
			buf_appendf(out, " %" PRIu32, event->other.number);
		buf_append_char(out, ' ');
		put_bytes(out, event->other.name);
		buf_append_char(out, ' ');
		put_values(out, event->other.values);
		break;
	case IMAP_EVENT_SKIPPED:
		buf_appendf(out, " %s:", event->skipped.reason);
		put_field(out, "text", event->skipped.text);
		break;
	case IMAP_EVENT_BODY_BEGIN:
		buf_appendf(out, " %" PRIu32 " UID=%" PRIu32 " [", event->body.seq,
			    event->body.uid);
		put_bytes(out, event->body.section);
		buf_append_char(out, ']');
		put_origin(out, event->body.origin);
		buf_appendf(out, " size=%" PRIu64 " ", event->body.size);
		break;
	default: break;
	}
}

int transcript_event(void *user, const struct imap_event *event)
{
	struct transcript *transcript = user;

	transcript->events++;
	if (event->type == IMAP_EVENT_BODY_BEGIN) {
		transcript->body_uid = event->body.uid;
	} else if (event->type == IMAP_EVENT_FETCH) {
		transcript->uid_conflict |= transcript->body_uid &&
					    transcript->body_uid != event->fetch.uid;
		transcript->body_uid = 0;
	}
	if (event->type == IMAP_EVENT_BODY_DATA) {
		transcript->events--; /* as many as there are cuts */
		transcript->body_bytes += event->data.len;
		put_bytes(&transcript->text, event->data);
		return 0;
	}
	if (event->type == IMAP_EVENT_BODY_END) {
		buf_append_str(&transcript->text, " END\n");
		return 0;
	}
	buf_append_str(&transcript->text, type_names[event->type]);
	put_event(&transcript->text, event);
	if (event->type != IMAP_EVENT_BODY_BEGIN)
		buf_append_char(&transcript->text, '\n');
	return 0;
}

/* ---- feeding ---------------------------------------------------------------------- */

static ssize_t feed_piece(struct imap_parser *parser, const char *data, size_t len, int exact)
{
	ssize_t used;
	char *block;

	if (!exact)
		return imap_parser_feed(parser, data, len);
	block = malloc(len ? len : 1);
	if (!block)
		abort();
	memcpy(block, data, len);
	used = imap_parser_feed(parser, block, len);
	memset(block, 'X', len); /* nothing may still point here */
	free(block);
	return used;
}

void transcript_feed(struct transcript *transcript, const void *data, size_t len,
		     const struct transcript_cut *cut)
{
	const char *pos = data, *end = pos + len;
	struct imap_parser *parser;
	uint32_t random = cut->seed;

	if (imap_parser_new(transcript_event, transcript, &parser) != 0)
		abort();
	while (pos < end) {
		size_t piece = cut->piece ? cut->piece : len;
		ssize_t used;

		if (random) {
			random = random * 1103515245u + 12345u;
			piece = 1 + (random >> 8) % cut->piece;
		}
		if (piece > (size_t)(end - pos))
			piece = (size_t)(end - pos);
		used = feed_piece(parser, pos, piece, cut->exact);
		if (used < 0) {
			transcript->result = (int)used;
			break;
		}
		pos += used;
	}
	imap_parser_free(&parser);
}
