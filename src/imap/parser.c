/*
 * The parser: collects one response at a time and hands it on. A response that lies
 * whole in the fed bytes is read where it lies; one that is cut is collected in a
 * buffer. No byte is looked at twice to find the end. Streamed literals pass through
 * uncopied; only their headers stay behind, marked. A FETCH that is too long to be kept
 * is cut before the item that makes it so, and read over to its end.
 */
#include <imap/parser.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imap/frame.h"
#include "imap/response.h"
#include "util/arena.h"
#include "util/buf.h"
#include <imap/limits.h>

/* Values, unescaped strings: with the response itself this stays under 32 MB. */
#define PARSER_ARENA_CAP (16u * 1024 * 1024)
/* What may stay allocated between responses. */
#define PARSER_KEEP_BUFFER (256u * 1024)
#define PARSER_KEEP_RANGES 65536u
#define PARSER_SKIPPED_TEXT 200u
/* Holds the longest header of a literal. */
#define PARSER_TAIL 40u

enum parser_state {
	PARSER_LINE,    /* inside a line, or between responses */
	PARSER_INLINE,  /* inside a literal that is kept */
	PARSER_STREAM,  /* inside one that goes to the sink */
	PARSER_DISCARD, /* inside one that goes nowhere */
	PARSER_SKIM,    /* inside a line that goes nowhere */
};

struct imap_parser {
	imap_event_fn *fn;
	void *user;
	enum parser_state state;
	uint64_t literal_left;
	struct buf buf; /* the response so far, but for what is still in the fed bytes */
	struct frame frame;
	struct arena arena; /* until the response ends */
	bool skimming;      /* the response is cut: nothing more of it is kept */
	uint64_t skimmed;
	char tail[PARSER_TAIL]; /* of the line that is read over */
	size_t tail_len;
	struct token_mark *marks, *last_mark;
	size_t mark_count;
	struct imap_set set;
	uint64_t skipped;
	int error; /* negative once failed */
	const char *why;
};

/* The fed bytes: [start, pos) belongs to the response and is not in the buffer yet. */
struct input {
	const char *start, *pos, *end;
};

int imap_parser_new(imap_event_fn *fn, void *user, struct imap_parser **ret_parser)
{
	struct imap_parser *parser = calloc(1, sizeof(*parser));

	if (!parser)
		return -ENOMEM;
	parser->fn = fn;
	parser->user = user;
	parser->why = "";
	buf_init(&parser->buf, IMAP_LIMIT_RESPONSE + 2); /* and the CRLF of one that is cut */
	arena_init(&parser->arena, PARSER_ARENA_CAP);
	*ret_parser = parser;
	return 0;
}

void imap_parser_free(struct imap_parser **parserp)
{
	struct imap_parser *parser = parserp ? *parserp : NULL;

	if (!parser)
		return;
	buf_release(&parser->buf);
	arena_release(&parser->arena);
	imap_set_release(&parser->set);
	free(parser);
	*parserp = NULL;
}

static int parser_fail(struct imap_parser *parser, int error, const char *why)
{
	parser->error = error;
	parser->why = error == -ENOMEM ? "out of memory" : why;
	return error;
}

/* ---- one whole response --------------------------------------------------------- */

static void parser_reset(struct imap_parser *parser)
{
	parser->frame = (struct frame){ 0 };
	parser->marks = parser->last_mark = NULL;
	parser->mark_count = 0;
	parser->skimming = false;
	parser->skimmed = 0;
	parser->tail_len = 0;
	arena_reset(&parser->arena);
	if (parser->buf.size > PARSER_KEEP_BUFFER)
		buf_release(&parser->buf);
	else
		buf_clear(&parser->buf);
	if (parser->set.capacity > PARSER_KEEP_RANGES)
		imap_set_release(&parser->set);
	else
		imap_set_clear(&parser->set);
}

static void emit_skipped(struct response *response, struct slice text)
{
	struct imap_event event = { .type = IMAP_EVENT_SKIPPED };

	event.skipped.text = text;
	if (text.len > PARSER_SKIPPED_TEXT)
		event.skipped.text.len = PARSER_SKIPPED_TEXT;
	event.skipped.reason = response->reason;
	imap_response_emit(response, &event);
}

/* 1 when the callback said stop, 0, or an error. */
static int parser_dispatch(struct imap_parser *parser, const char *base, size_t len)
{
	struct response response = {
		.token = { .base = base,
			   .pos = base,
			   .arena = &parser->arena,
			   .marks = parser->marks },
		.framed_uid = parser->frame.uid,
		.set = &parser->set,
		.fn = parser->fn,
		.user = parser->user,
		.reason = "",
	};
	size_t end = len - 1;
	int err;

	if (end && base[end - 1] == '\r')
		end--;
	response.token.end = base + end;
	err = imap_response_read(&response);
	if (err == -EINVAL)
		emit_skipped(&response, (struct slice){ base, end });
	if (err == -EINVAL || response.broken)
		parser->skipped++;
	if (err == -EPROTO)
		return parser_fail(parser, err, "a quoted string without end");
	if (err == -EMSGSIZE)
		return parser_fail(parser, err, "too many or too deeply nested values");
	if (err && err != -EINVAL)
		return parser_fail(parser, err, "");
	parser_reset(parser);
	return response.stop;
}

/* ---- streaming ------------------------------------------------------------------ */

static int mark_add(struct imap_parser *parser, const struct frame_literal *literal)
{
	struct token_mark *mark = NULL;

	if (parser->mark_count++ < IMAP_LIMIT_VALUES)
		mark = arena_alloc(&parser->arena, sizeof(*mark));
	if (!mark)
		return parser_fail(parser, -EMSGSIZE, "too many literals");
	*mark = (struct token_mark){ NULL, literal->header, literal->size };
	if (parser->last_mark)
		parser->last_mark->next = mark;
	else
		parser->marks = mark;
	parser->last_mark = mark;
	return 0;
}

static int body_begin(struct imap_parser *parser, const struct frame_literal *literal)
{
	struct imap_event event = { .type = IMAP_EVENT_BODY_BEGIN };

	event.body.seq = parser->frame.seq;
	event.body.uid = parser->frame.uid;
	event.body.section = literal->section;
	event.body.origin = literal->origin;
	event.body.size = literal->size;
	return parser->fn(parser->user, &event) != 0;
}

/* Passes on what there is of a literal that is not kept. */
static int literal_pass(struct imap_parser *parser, struct input *in)
{
	struct imap_event event = { .type = IMAP_EVENT_BODY_DATA };
	size_t len = (size_t)(in->end - in->pos);
	int stop = 0;

	if (len > parser->literal_left)
		len = (size_t)parser->literal_left;
	event.data = (struct slice){ in->pos, len };
	in->pos += len;
	in->start = in->pos;
	parser->literal_left -= len;
	if (len && parser->state == PARSER_STREAM)
		stop = parser->fn(parser->user, &event) != 0;
	if (parser->literal_left == 0 && !stop) {
		bool streamed = parser->state == PARSER_STREAM;

		parser->state = parser->skimming ? PARSER_SKIM : PARSER_LINE;
		event = (struct imap_event){ .type = IMAP_EVENT_BODY_END };
		if (streamed)
			stop = parser->fn(parser->user, &event) != 0;
	}
	return stop;
}

/* ---- collecting ----------------------------------------------------------------- */

/* Moves [start, pos) into the buffer. */
static int input_keep(struct imap_parser *parser, struct input *in)
{
	int err = buf_append(&parser->buf, in->start, (size_t)(in->pos - in->start));

	in->start = in->pos;
	if (err)
		return parser_fail(parser, err, "a response over its limit");
	return 0;
}

static int literal_begin(struct imap_parser *parser, struct input *in, enum frame_next next,
			 const struct frame_literal *literal)
{
	int err;

	parser->literal_left = literal->size;
	if (next == FRAME_INLINE) {
		parser->state = PARSER_INLINE;
		parser->frame.line += literal->size;
		return 0;
	}
	err = mark_add(parser, literal);
	if (err)
		return err;
	parser->state = next == FRAME_STREAM ? PARSER_STREAM : PARSER_DISCARD;
	/* The section's name is where it was framed: tell it before that moves. */
	err = next == FRAME_STREAM ? body_begin(parser, literal) : 0;
	return input_keep(parser, in) ? parser->error : err;
}

/* A line has become complete at in->pos. */
static int line_end(struct imap_parser *parser, struct input *in)
{
	struct frame_literal literal;
	const char *base = in->start, *why = "";
	size_t len = (size_t)(in->pos - in->start);
	int next;

	if (parser->buf.len) {
		if (input_keep(parser, in))
			return parser->error;
		base = parser->buf.ptr;
		len = parser->buf.len;
	}
	if (len > IMAP_LIMIT_RESPONSE)
		return parser_fail(parser, -EMSGSIZE, "a response over its limit");
	next = frame_line(&parser->frame, base, len, &literal, &why);
	if (next < 0)
		return parser_fail(parser, next, why);
	if (next != FRAME_END)
		return literal_begin(parser, in, (enum frame_next)next, &literal);
	in->start = in->pos;
	return parser_dispatch(parser, base, len);
}

/* ---- reading over ----------------------------------------------------------------- */

static void tail_add(struct imap_parser *parser, const char *data, size_t len)
{
	size_t keep = len < PARSER_TAIL ? PARSER_TAIL - len : 0;

	if (parser->tail_len > keep) {
		memmove(parser->tail, parser->tail + parser->tail_len - keep, keep);
		parser->tail_len = keep;
	}
	if (len > PARSER_TAIL) {
		data += len - PARSER_TAIL;
		len = PARSER_TAIL;
	}
	memcpy(parser->tail + parser->tail_len, data, len);
	parser->tail_len += len;
}

/* The response has become too long in [start, pos). True: it can be read over, and `pos` is where that begins. */
static bool skim_begin(struct imap_parser *parser, struct input *in)
{
	size_t room = IMAP_LIMIT_RESPONSE - parser->buf.len, cut;

	in->pos = in->start + room;
	if (input_keep(parser, in))
		return false;
	cut = frame_cut(&parser->frame, parser->buf.ptr, parser->buf.len);
	if (!cut)
		return false;
	tail_add(parser, parser->buf.ptr + parser->frame.line,
		 parser->buf.len - parser->frame.line);
	parser->buf.len = cut;
	parser->skimming = true;
	parser->state = PARSER_SKIM;
	return true;
}

static int skim_line_end(struct imap_parser *parser)
{
	struct slice tail = { parser->tail, parser->tail_len - 1 };
	const char *why = "";
	int found;

	if (tail.len && tail.ptr[tail.len - 1] == '\r')
		tail.len--;
	found = frame_tail(tail, &parser->literal_left, &why);
	if (found < 0)
		return parser_fail(parser, found, why);
	parser->tail_len = 0;
	parser->state = found ? PARSER_DISCARD : PARSER_LINE;
	if (found)
		return 0;
	if (buf_append_str(&parser->buf, "\r\n"))
		return parser_fail(parser, parser->buf.error, "");
	return parser_dispatch(parser, parser->buf.ptr, parser->buf.len);
}

static int feed_skim(struct imap_parser *parser, struct input *in)
{
	const char *newline = memchr(in->pos, '\n', (size_t)(in->end - in->pos));
	const char *stop = newline ? newline + 1 : in->end;

	tail_add(parser, in->pos, (size_t)(stop - in->pos));
	parser->skimmed += (uint64_t)(stop - in->pos);
	in->start = in->pos = stop;
	if (parser->skimmed > IMAP_LIMIT_SKIM)
		return parser_fail(parser, -EMSGSIZE, "a response over its limit");
	return newline ? skim_line_end(parser) : 0;
}

static int feed_line(struct imap_parser *parser, struct input *in)
{
	const char *newline = memchr(in->pos, '\n', (size_t)(in->end - in->pos));

	in->pos = newline ? newline + 1 : in->end;
	if (parser->buf.len + (size_t)(in->pos - in->start) > IMAP_LIMIT_RESPONSE)
		return skim_begin(parser, in)
			       ? 0
			       : parser_fail(parser, -EMSGSIZE, "a response over its limit");
	return newline ? line_end(parser, in) : 0;
}

static void feed_inline(struct imap_parser *parser, struct input *in)
{
	size_t len = (size_t)(in->end - in->pos);

	if (len > parser->literal_left)
		len = (size_t)parser->literal_left;
	in->pos += len;
	parser->literal_left -= len;
	if (parser->literal_left == 0)
		parser->state = PARSER_LINE;
}

static bool in_literal(const struct imap_parser *parser)
{
	return parser->state != PARSER_LINE && parser->state != PARSER_SKIM;
}

ssize_t imap_parser_feed(struct imap_parser *parser, const void *data, size_t len)
{
	struct input in = { data, data, (const char *)data + len };
	int stop = 0;

	if (parser->error)
		return parser->error;
	/* A literal of no bytes ends without any. */
	while (!stop && (in.pos < in.end || (in_literal(parser) && !parser->literal_left))) {
		if (parser->state == PARSER_LINE)
			stop = feed_line(parser, &in);
		else if (parser->state == PARSER_INLINE)
			feed_inline(parser, &in);
		else if (parser->state == PARSER_SKIM)
			stop = feed_skim(parser, &in);
		else
			stop = literal_pass(parser, &in);
	}
	if (parser->error || (in.start < in.pos && input_keep(parser, &in)))
		return parser->error;
	return in.pos - (const char *)data;
}

const char *imap_parser_error(const struct imap_parser *parser)
{
	return parser->why;
}

int imap_parser_idle(const struct imap_parser *parser)
{
	return parser->state == PARSER_LINE && parser->buf.len == 0;
}

uint64_t imap_parser_skipped(const struct imap_parser *parser)
{
	return parser->skipped;
}
