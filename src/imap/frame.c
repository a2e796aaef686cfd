/*
 * Framing (see frame.h). Lines end in CRLF; a lone LF is taken as an end of line
 * too, since no reader of ours could tell where else the line should end. A CR
 * anywhere else is fatal. Status responses hold free text and no literals (RFC 9051
 * §9 resp-text): "{5}" at their end is text.
 */
#include "imap/frame.h"

#include <errno.h>
#include <string.h>

#include "imap/fetch.h"
#include "util/num.h"
#include "util/slice.h"
#include <imap/limits.h>

/* ---- what kind of response it is ------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t skip_spaces(const char *base, size_t at, size_t end)
{
	while (at < end && base[at] == ' ')
		at++;
	return at;
}

static struct slice word_at(const char *base, size_t at, size_t end)
{
	size_t stop = at;

	while (stop < end && base[stop] != ' ' && base[stop] != '[' && base[stop] != '(')
		stop++;
	return (struct slice){ base + at, stop - at };
}

static bool is_status_word(struct slice word)
{
	return slice_caseeqs(word, "OK") || slice_caseeqs(word, "NO") ||
	       slice_caseeqs(word, "BAD") || slice_caseeqs(word, "BYE") ||
	       slice_caseeqs(word, "PREAUTH");
}

static void frame_classify(struct frame *frame, const char *base, size_t end)
{
	size_t at = 0;
	struct slice word;

	while (at < end && base[at] == '\0')
		at++;
	/* Tagged responses and "+": text. */
	frame->kind = FRAME_TEXT;
	if (at == end || base[at] != '*')
		return;
	at = skip_spaces(base, at + 1, end);
	if (at == end || base[at] == '[')
		return;
	word = word_at(base, at, end);
	if (is_status_word(word))
		return;
	frame->kind = FRAME_DATA;
	if (num_u32(word, &frame->seq) != 0)
		return;
	at = skip_spaces(base, at + word.len, end);
	word = word_at(base, at, end);
	if (!slice_caseeqs(word, "FETCH"))
		return;
	frame->kind = FRAME_FETCH;
	frame->pos = at + word.len;
}

/* ---- following a FETCH ------------------------------------------------------ */

/* Behind the closing quote; 0 when there is none. */
static size_t quoted_end(const char *base, size_t at, size_t end)
{
	for (at++; at < end; at++) {
		if (base[at] == '"')
			return at + 1;
		if (base[at] == '\\')
			at++;
	}
	return 0;
}

/* Behind an atom or an item name: what stands in brackets belongs to it. */
static size_t atom_end(const char *base, size_t at, size_t end)
{
	while (at < end && !strchr(" ()\"{", base[at])) {
		if (base[at] == '[') {
			size_t stop = imap_fetch_section_end(base, at, end);

			if (!stop)
				return 0;
			at = stop;
		} else {
			at++;
		}
	}
	return at;
}

/* An atom directly in the list of items: the value of the one before it, or the next name. A
 * known name is always a name, so that one missing value does not turn the rest round. */
static void fetch_atom(struct frame *frame, const char *base, size_t at, size_t end)
{
	struct slice atom = { base + at, end - at };

	if (frame->name_len && !imap_fetch_is_item(atom)) {
		if (!frame->uid &&
		    slice_caseeqs((struct slice){ base + frame->name, frame->name_len }, "UID"))
			(void)num_u32(atom, &frame->uid);
		frame->name_len = 0;
		return;
	}
	frame->name = at;
	frame->name_len = end - at;
}

static void fetch_follow(struct frame *frame, const char *base, size_t end)
{
	size_t at = frame->pos;

	while (at && at < end && !frame->lost) {
		size_t next = at + 1;

		switch (base[at]) {
		case ' ': break;
		case '(':
			frame->depth++;
			frame->name_len = 0;
			break;
		case ')':
			frame->lost = frame->depth == 0;
			frame->depth--;
			frame->name_len = 0;
			break;
		case '"':
			next = quoted_end(base, at, end);
			if (frame->depth == 1)
				frame->name_len = 0;
			break;
		default:
			next = atom_end(base, at, end);
			if (next == at) /* a brace: of no literal */
				next = 0;
			else if (next && frame->depth == 1)
				fetch_atom(frame, base, at, next);
		}
		if (next == 0)
			frame->lost = true;
		at = next;
	}
	frame->pos = end;
}

/* ---- literals ---------------------------------------------------------------- */

/* literal = "{" number64 ["+"] "}" CRLF; literal8 has "~" before it. The "+" means nothing from a
 * server, but what is meant is clear. Returns 1, 0 when the line does not end in one, or an error. */
static int literal_header(const char *base, size_t line, size_t end, struct frame_literal *literal,
			  const char **ret_why)
{
	const char *brace;
	struct slice digits;
	int err;

	if (end == line || base[end - 1] != '}')
		return 0;
	brace = memrchr(base + line, '{', end - line);
	if (!brace)
		return 0;
	literal->header = (size_t)(brace - base);
	digits = (struct slice){ brace + 1, end - 1 - literal->header - 1 };
	if (digits.len && digits.ptr[digits.len - 1] == '+')
		digits.len--;
	err = num_u64(digits, &literal->size);
	if (err == -ERANGE) {
		*ret_why = "a literal of impossible size";
		return -EMSGSIZE;
	}
	if (!err && (digits.len == 1 || digits.ptr[0] != '0'))
		return 1;
	/* Words in braces are no literal; what was meant as one must not be guessed at. */
	if (digits.len && !is_digit(digits.ptr[0]) && digits.ptr[0] != '-' && digits.ptr[0] != '+')
		return 0;
	*ret_why = "a malformed literal";
	return -EPROTO;
}

static int literal_of_fetch(struct frame *frame, const char *base, size_t line, size_t len,
			    struct frame_literal *literal, const char **ret_why)
{
	size_t end = literal->header;
	struct slice name;
	bool body;

	if (end > line && base[end - 1] == '~')
		end--;
	if (frame->pos < line)
		frame->pos = line; /* over the last literal */
	fetch_follow(frame, base, end);
	name = (struct slice){ base + frame->name, frame->name_len };
	body = !frame->lost && frame->depth == 1 && name.len &&
	       imap_fetch_section_name(name, &literal->section, &literal->origin) == 0;
	frame->name_len = 0;
	if (literal->size > IMAP_LIMIT_BODY_LITERAL) {
		*ret_why = "a literal over its limit";
		return -EMSGSIZE;
	}
	if (body)
		return FRAME_STREAM;
	/* Headers of one message must not cost the mailbox. */
	if (literal->size > IMAP_LIMIT_INLINE_LITERAL || literal->size > IMAP_LIMIT_RESPONSE - len)
		return FRAME_DISCARD;
	return FRAME_INLINE;
}

int frame_line(struct frame *frame, const char *base, size_t len, struct frame_literal *ret_literal,
	       const char **ret_why)
{
	size_t end = len - 1, line = frame->line;
	int found;

	if (end > line && base[end - 1] == '\r')
		end--;
	frame->line = len;
	if (memchr(base + line, '\r', end - line)) {
		*ret_why = "a carriage return inside a line";
		return -EPROTO;
	}
	if (end == line || base[end - 1] != '}' || frame->kind == FRAME_TEXT)
		return FRAME_END;
	if (frame->kind == FRAME_NEW)
		frame_classify(frame, base, end);
	if (frame->kind == FRAME_TEXT)
		return FRAME_END;
	*ret_literal = (struct frame_literal){ .origin = -1 };
	found = literal_header(base, line, end, ret_literal, ret_why);
	if (found <= 0)
		return found < 0 ? found : FRAME_END;
	if (frame->kind == FRAME_FETCH)
		return literal_of_fetch(frame, base, line, len, ret_literal, ret_why);
	if (ret_literal->size > IMAP_LIMIT_INLINE_LITERAL ||
	    ret_literal->size > IMAP_LIMIT_RESPONSE - len) {
		*ret_why = "a literal over its limit";
		return -EMSGSIZE;
	}
	return FRAME_INLINE;
}

/* ---- what is too long ---------------------------------------------------------- */

size_t frame_cut(struct frame *frame, const char *base, size_t len)
{
	if (frame->kind == FRAME_NEW)
		frame_classify(frame, base, len);
	if (frame->kind != FRAME_FETCH)
		return 0;
	if (frame->pos < frame->line)
		frame->pos = frame->line;
	fetch_follow(frame, base, len);
	return frame->name;
}

int frame_tail(struct slice tail, uint64_t *ret_size, const char **ret_why)
{
	struct frame_literal literal;
	int found = literal_header(tail.ptr, 0, tail.len, &literal, ret_why);

	if (found <= 0)
		return found;
	if (literal.size > IMAP_LIMIT_BODY_LITERAL) {
		*ret_why = "a literal over its limit";
		return -EMSGSIZE;
	}
	*ret_size = literal.size;
	return 1;
}
