/*
 * The protocol machine: matches answers with commands, keeps the capabilities, and
 * decides when output may go (literals and AUTHENTICATE wait for "+"). What the bytes
 * mean is the parser's, who waits how long is the connection's.
 */
#include <imap/proto.h>

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <imap/limits.h>
#include <imap/parser.h>

#include "command_impl.h"
#include "util/secret.h"
#include "util/slice.h"

#define TAG_PREFIX 6
/* Challenges and replies of SASL are far shorter. */
#define REPLY_MAX 65536u
/* Room enough that output with a secret is hardly ever moved by growing. */
#define OUTPUT_START 16384u

enum hold {
	HOLD_NONE,
	HOLD_LITERAL, /* the first queued command waits for "+" */
	HOLD_REQUEST, /* nothing may be sent behind proto.held before its answer */
};

struct imap_proto {
	struct imap_parser *parser;
	bool (*event)(void *user, const struct imap_event *event);
	void *user;
	void (*trace)(void *user, struct slice masked);
	void *trace_user;

	struct imap_capabilities caps;
	struct imap_request *requests; /* sent or queued, oldest first */
	size_t outstanding;
	struct imap_command *queue; /* not wholly in `out` yet */
	enum hold hold;
	struct imap_request *held;

	struct buf out, masked;
	uint64_t out_total, sent_total; /* ever put into `out`; ever sent */
	bool out_secret;

	char prefix[TAG_PREFIX + 1];
	unsigned long counter;
	uint64_t progress, skipped;
	bool greeted, bye, between; /* between: the OK of STARTTLS came, TLS did not start yet */
	struct imap_answer greeting, farewell;
	int error;
	char reason[256];
};

static int proto_event(void *user, const struct imap_event *event);

/* ---- life ----------------------------------------------------------------- */

static int tag_prefix(char prefix[static TAG_PREFIX + 1])
{
	unsigned char random[TAG_PREFIX];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	for (size_t i = 0; i < TAG_PREFIX; i++)
		prefix[i] = (char)('A' + random[i] % 26);
	prefix[TAG_PREFIX] = '\0';
	return 0;
}

int imap_proto_new(bool (*event)(void *user, const struct imap_event *event), void *user,
		   struct imap_proto **ret_proto)
{
	struct imap_proto *proto = calloc(1, sizeof(*proto));
	int err;

	if (!proto)
		return -ENOMEM;
	proto->event = event;
	proto->user = user;
	buf_init(&proto->out, IMAP_LIMIT_OUTPUT);
	buf_init(&proto->masked, IMAP_LIMIT_OUTPUT);
	err = tag_prefix(proto->prefix);
	if (!err && !buf_reserve(&proto->out, OUTPUT_START))
		err = -ENOMEM;
	if (!err)
		err = imap_parser_new(proto_event, proto, &proto->parser);
	if (err) {
		imap_proto_free(&proto);
		return err;
	}
	*ret_proto = proto;
	return 0;
}

static void proto_wipe(struct imap_proto *proto)
{
	if (proto->out_secret && proto->out.ptr)
		secret_wipe(proto->out.ptr, proto->out.size);
	proto->out_secret = false;
}

static void proto_pop(struct imap_proto *proto)
{
	struct imap_command *command = proto->queue;

	proto->queue = command->next;
	imap_command_free(&command);
}

void imap_proto_abort(struct imap_proto *proto)
{
	while (proto->queue)
		proto_pop(proto);
	proto->requests = NULL;
	proto->outstanding = 0;
	proto->hold = HOLD_NONE;
	proto->held = NULL;
	proto_wipe(proto);
	buf_clear(&proto->out);
	if (!proto->error)
		proto->error = -EPROTO;
}

void imap_proto_free(struct imap_proto **proto)
{
	struct imap_proto *p = *proto;

	if (!p)
		return;
	imap_proto_abort(p);
	imap_parser_free(&p->parser);
	buf_release(&p->out);
	buf_release(&p->masked);
	free(p);
	*proto = NULL;
}

static int proto_break(struct imap_proto *proto, int error, const char *fmt, ...) ATTR_PRINTF(3, 4);
static int proto_break(struct imap_proto *proto, int error, const char *fmt, ...)
{
	va_list args;

	if (proto->error)
		return proto->error;
	proto->error = error;
	va_start(args, fmt);
	vsnprintf(proto->reason, sizeof(proto->reason), fmt, args);
	va_end(args);
	return error;
}

/* ---- output ---------------------------------------------------------------- */

static void put(struct imap_proto *proto, struct slice text, bool secret)
{
	buf_append_slice(&proto->out, text);
	proto->out_total += text.len;
	if (secret)
		proto->out_secret = true;
	if (!proto->trace)
		return;
	if (secret)
		buf_append_str(&proto->masked, "***");
	else
		buf_append_slice(&proto->masked, text);
}

static void put_literal(struct imap_proto *proto, const struct imap_piece *piece, struct slice text)
{
	buf_append_slice(&proto->out, text);
	proto->out_total += text.len;
	if (piece->secret)
		proto->out_secret = true;
	if (proto->trace && piece->secret)
		buf_append_str(&proto->masked, "***");
	else if (proto->trace)
		buf_appendf(&proto->masked, "<%zu bytes>", text.len);
}

static void trace_flush(struct imap_proto *proto)
{
	if (proto->trace && proto->masked.len)
		proto->trace(proto->trace_user, buf_slice(&proto->masked));
	buf_clear(&proto->masked);
}

/* RFC 7888: LITERAL+ for any size, LITERAL- up to 4096. */
static bool literal_waits(const struct imap_proto *proto, size_t len)
{
	if (imap_has(&proto->caps, IMAP_CAP_LITERAL_PLUS))
		return false;
	return !imap_has(&proto->caps, IMAP_CAP_LITERAL_MINUS) || len > 4096;
}

static void put_literal_size(struct imap_proto *proto, const struct imap_piece *piece, bool waits)
{
	char text[32];
	int len;

	len = snprintf(text, sizeof(text), "{%zu%s}\r\n", piece->len, waits ? "" : "+");
	/* The size of a secret is nobody's business either. */
	put(proto, (struct slice){ text, (size_t)len }, piece->secret);
}

/* Puts out as much of the first queued command as may go. True when it is all out. */
static bool command_emit(struct imap_proto *proto, struct imap_command *command)
{
	bool resumed = command->started && proto->hold == HOLD_NONE;

	if (!command->started) {
		command->started = true;
		command->request->begin = proto->out_total;
		put(proto, slice_of(command->request->tag), false);
		put(proto, SLICE_LIT(" "), false);
	}
	while (command->next_piece < command->piece_count) {
		const struct imap_piece *piece = &command->pieces[command->next_piece];
		struct slice text = { command->text.ptr + piece->start, piece->len };

		if (!piece->literal) {
			put(proto, text, piece->secret);
		} else if (resumed) {
			put_literal(proto, piece, text);
			resumed = false;
		} else if (literal_waits(proto, piece->len)) {
			put_literal_size(proto, piece, true);
			proto->hold = HOLD_LITERAL;
			trace_flush(proto);
			return false;
		} else {
			put_literal_size(proto, piece, false);
			put_literal(proto, piece, text);
		}
		command->next_piece++;
	}
	put(proto, SLICE_LIT("\r\n"), false);
	trace_flush(proto);
	return true;
}

/* Moves queued commands into `out` until one has to wait. */
static int proto_flush(struct imap_proto *proto)
{
	while (proto->queue && proto->hold == HOLD_NONE && !proto->error) {
		struct imap_request *request = proto->queue->request;

		if (!command_emit(proto, proto->queue))
			break;
		proto_pop(proto);
		if (request->go_on || request->stop_behind) {
			proto->hold = HOLD_REQUEST;
			proto->held = request;
		}
	}
	if (proto->out.error)
		return proto_break(proto, proto->out.error, "too much to send at once");
	return proto->error;
}

int imap_proto_send(struct imap_proto *proto, struct imap_command **command,
		    struct imap_request *request)
{
	struct imap_command *c = *command;
	struct imap_command **tail = &proto->queue;
	struct imap_request **last = &proto->requests;
	int err = imap_command_error(c);

	*command = NULL;
	if (!err && proto->error)
		err = proto->error;
	if (!err &&
	    (proto->outstanding >= IMAP_LIMIT_PIPELINE || proto->out.len >= IMAP_LIMIT_OUTPUT / 4))
		err = -EAGAIN;
	if (err) {
		imap_command_free(&c);
		return err;
	}
	while (*tail)
		tail = &(*tail)->next;
	while (*last)
		last = &(*last)->next;
	request->next = NULL;
	request->done = false;
	request->begin = UINT64_MAX;
	memset(&request->answer, 0, sizeof(request->answer));
	snprintf(request->tag, sizeof(request->tag), "%s%lu", proto->prefix, ++proto->counter);
	c->request = request;
	*tail = c;
	*last = request;
	proto->outstanding++;
	return proto_flush(proto);
}

void imap_proto_trace(struct imap_proto *proto, void (*line)(void *user, struct slice masked),
		      void *user)
{
	proto->trace = line;
	proto->trace_user = user;
}

struct slice imap_proto_output(struct imap_proto *proto)
{
	return buf_slice(&proto->out);
}

void imap_proto_sent(struct imap_proto *proto, size_t len)
{
	assert(len <= proto->out.len);
	proto->sent_total += len;
	if (len == proto->out.len)
		proto_wipe(proto);
	buf_consume(&proto->out, len);
}

/* ---- input ----------------------------------------------------------------- */

static void copy_text(char *to, size_t size, struct slice text)
{
	size_t len = text.len < size - 1 ? text.len : size - 1;

	if (len)
		memcpy(to, text.ptr, len);
	to[len] = '\0';
}

static void answer_fill(struct imap_answer *answer, const struct imap_event_status *status)
{
	answer->status = status->status;
	answer->code = status->code;
	answer->code_number = status->code_number;
	copy_text(answer->code_data, sizeof(answer->code_data), status->code_data);
	copy_text(answer->text, sizeof(answer->text), status->text);
}

static bool request_begun(const struct imap_proto *proto, const struct imap_request *request)
{
	return request->begin < proto->sent_total;
}

static struct imap_request *request_take(struct imap_proto *proto, struct slice tag)
{
	for (struct imap_request **at = &proto->requests; *at; at = &(*at)->next) {
		struct imap_request *request = *at;

		if (!slice_eqs(tag, request->tag))
			continue;
		if (!request_begun(proto, request))
			return NULL; /* an answer to what was not asked yet */
		*at = request->next;
		proto->outstanding--;
		return request;
	}
	return NULL;
}

static int proto_tagged(struct imap_proto *proto, const struct imap_event_status *status)
{
	struct imap_request *request = request_take(proto, status->tag);

	if (!request || status->status > IMAP_BAD)
		return proto_break(proto, -EPROTO, "an answer to a command that was not sent");
	if (proto->hold == HOLD_LITERAL && proto->queue->request == request) {
		proto_pop(proto); /* refused instead of "+" */
		proto->hold = HOLD_NONE;
	} else if (proto->hold == HOLD_REQUEST && proto->held == request) {
		proto->hold = HOLD_NONE;
		proto->held = NULL;
	}
	answer_fill(&request->answer, status);
	request->next = NULL;
	request->done = true;
	proto->progress++;
	if (request->stop_behind && status->status == IMAP_OK) {
		proto->between = true;
		return 1;
	}
	return proto_flush(proto);
}

static int proto_continue(struct imap_proto *proto, const struct imap_event_status *status)
{
	struct imap_request *request = proto->held;
	struct slice reply = SLICE_NIL;

	/* Some servers send a stray one; nothing waits for it, or not yet. */
	if (proto->out.len)
		return 0;
	if (proto->hold == HOLD_LITERAL) {
		proto->hold = HOLD_NONE;
		proto->progress++;
		return proto_flush(proto);
	}
	if (proto->hold != HOLD_REQUEST || !request->go_on)
		return 0;
	proto->progress++;
	if (!request->go_on(request->user, status->text, &reply) || reply.len > REPLY_MAX)
		put(proto, SLICE_LIT("*"), false);
	else
		put(proto, reply, true);
	put(proto, SLICE_LIT("\r\n"), false);
	trace_flush(proto);
	return proto_flush(proto);
}

static int proto_greeting(struct imap_proto *proto, const struct imap_event *event)
{
	if (event->type != IMAP_EVENT_STATUS || event->status.status == IMAP_NO ||
	    event->status.status == IMAP_BAD)
		return proto_break(proto, -EPROTO, "no IMAP greeting");
	answer_fill(&proto->greeting, &event->status);
	proto->greeted = true;
	return 0;
}

static void proto_capability(struct imap_proto *proto, const struct imap_event *event)
{
	imap_capabilities_reset(&proto->caps);
	for (size_t i = 0; i < event->atoms.count; i++)
		imap_capabilities_add(&proto->caps, event->atoms.items[i]);
	proto->caps.known = true;
}

/* To the requests in their order, then to the machine's own handler. */
static void proto_offer(struct imap_proto *proto, const struct imap_event *event)
{
	for (struct imap_request *request = proto->requests; request; request = request->next) {
		if (!request->event || !request_begun(proto, request))
			continue;
		if (request->event(request->user, event)) {
			proto->progress++;
			return;
		}
	}
	if (proto->event)
		proto->event(proto->user, event);
}

/* The return value is the parser's: not 0 stops it behind this event. */
static int proto_event(void *user, const struct imap_event *event)
{
	struct imap_proto *proto = user;

	if (proto->error || proto->between)
		return 1;
	/* A greeting's capabilities may come out before the greeting itself. */
	if (!proto->greeted && event->type != IMAP_EVENT_CAPABILITY)
		if (proto_greeting(proto, event))
			return 1;
	switch (event->type) {
	case IMAP_EVENT_TAGGED: return proto_tagged(proto, &event->status) != 0;
	case IMAP_EVENT_CONTINUE: return proto_continue(proto, &event->status) != 0;
	case IMAP_EVENT_CAPABILITY: proto_capability(proto, event); break;
	case IMAP_EVENT_STATUS:
		if (event->status.status == IMAP_BYE) {
			proto->bye = true;
			answer_fill(&proto->farewell, &event->status);
		}
		break;
	default: break;
	}
	proto_offer(proto, event);
	return proto->error != 0;
}

int imap_proto_feed(struct imap_proto *proto, const void *data, size_t len)
{
	ssize_t used;

	if (proto->error)
		return proto->error;
	if (!len)
		return 0;
	if (proto->between)
		return proto_break(proto, -EPROTO, "data behind the answer to STARTTLS");
	used = imap_parser_feed(proto->parser, data, len);
	if (proto->error)
		return proto->error;
	if (used < 0)
		return proto_break(proto, (int)used, "%s", imap_parser_error(proto->parser));
	if ((size_t)used < len)
		return proto_break(proto, -EPROTO, "data behind the answer to STARTTLS");
	if (proto->between && !imap_parser_idle(proto->parser))
		return proto_break(proto, -EPROTO, "data behind the answer to STARTTLS");
	return 0;
}

void imap_proto_secured(struct imap_proto *proto)
{
	struct imap_parser *fresh;
	int err;

	imap_capabilities_reset(&proto->caps);
	memset(&proto->greeting, 0, sizeof(proto->greeting));
	memset(&proto->farewell, 0, sizeof(proto->farewell));
	proto->bye = false;
	proto->between = false;
	err = imap_parser_new(proto_event, proto, &fresh);
	if (err) {
		proto_break(proto, err, "out of memory");
		return;
	}
	proto->skipped += imap_parser_skipped(proto->parser);
	imap_parser_free(&proto->parser);
	proto->parser = fresh;
}

/* ---- facts ----------------------------------------------------------------- */

size_t imap_proto_outstanding(const struct imap_proto *proto)
{
	return proto->outstanding;
}

uint64_t imap_proto_progress(const struct imap_proto *proto)
{
	return proto->progress;
}

struct imap_capabilities *imap_proto_capabilities(struct imap_proto *proto)
{
	return &proto->caps;
}

bool imap_proto_greeted(const struct imap_proto *proto, struct imap_answer *ret_answer)
{
	if (proto->greeted && ret_answer)
		*ret_answer = proto->greeting;
	return proto->greeted;
}

bool imap_proto_bye(const struct imap_proto *proto, struct imap_answer *ret_answer)
{
	if (proto->bye && ret_answer)
		*ret_answer = proto->farewell;
	return proto->bye;
}

const char *imap_proto_error(const struct imap_proto *proto)
{
	return proto->reason;
}

uint64_t imap_proto_skipped(const struct imap_proto *proto)
{
	return proto->skipped + imap_parser_skipped(proto->parser);
}
