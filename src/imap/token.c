/*
 * The tokenizer (see token.h). It is lenient where servers are: any number of
 * spaces between values, none between brackets, any backslash escape, any byte but
 * CR and LF in a quoted string, 8-bit characters in atoms.
 */
#include "imap/token.h"

#include <errno.h>
#include <string.h>

#include "imap/fetch.h"
#include "util/arena.h"
#include "util/num.h"
#include "util/slice.h"
#include <imap/limits.h>

#define C_ATOM 1u   /* may stand in an atom */
#define C_QUOTED 2u /* stands for itself in a quoted string */

/* Control characters: in no atom. NUL may be in a quoted string, since literals bring it anyway. */
static const unsigned char classes[256] = {
	2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 2, 2, 0, 2, 2, /* 00 */
	2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 10 */
	2, 3, 0, 3, 3, 3, 3, 3, 2, 2, 3, 3, 3, 3, 3, 3, /* 20 */
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /* 30 */
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /* 40 */
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 1, 3, 3, 3, /* 50 */
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /* 60 */
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 3, 3, 3, 2, /* 70 */
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
};

static bool is_class(char c, unsigned class)
{
	return classes[(unsigned char)c] & class;
}

bool imap_token_at_end(const struct token *token)
{
	return token->pos == token->end;
}

void imap_token_spaces(struct token *token)
{
	while (token->pos < token->end && *token->pos == ' ')
		token->pos++;
}

bool imap_token_char(struct token *token, char c)
{
	if (token->pos == token->end || *token->pos != c)
		return false;
	token->pos++;
	return true;
}

static int peek(const struct token *token)
{
	return token->pos < token->end ? (unsigned char)*token->pos : -1;
}

void *imap_token_alloc(struct token *token, size_t size, int *ret_err)
{
	void *ptr = arena_alloc(token->arena, size);

	if (!ptr) {
		/* The arena does not say why; near its cap it is the cap. */
		size_t spent = token->arena->total +
			       (token->arena->current ? token->arena->used : 0);

		*ret_err = size > token->arena->cap / 2 || spent > token->arena->cap / 2 ? -EMSGSIZE
											 : -ENOMEM;
	}
	return ptr;
}

int imap_token_slices_add(struct token *token, struct token_slices *list, struct slice text)
{
	if (list->count >= IMAP_LIMIT_VALUES)
		return -EMSGSIZE;
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 8;
		struct slice *items;
		int err = 0;

		items = imap_token_alloc(token, capacity * sizeof(*items), &err);
		if (!items)
			return err;
		if (list->count)
			memcpy(items, list->items, list->count * sizeof(*items));
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = text;
	return 0;
}

/* ---- leaves ------------------------------------------------------------------ */

struct slice imap_token_word(struct token *token)
{
	const char *start = token->pos;

	while (token->pos < token->end && *token->pos != ' ')
		token->pos++;
	return (struct slice){ start, (size_t)(token->pos - start) };
}

struct slice imap_token_rest(struct token *token)
{
	struct slice rest = { token->pos, (size_t)(token->end - token->pos) };

	token->pos = token->end;
	return rest;
}

int imap_token_atom(struct token *token, struct slice *ret_text)
{
	const char *start = token->pos, *pos = start;

	while (pos < token->end && is_class(*pos, C_ATOM)) {
		/* BODY[HEADER.FIELDS (FROM)]<0>: what is in the brackets belongs to it. */
		if (*pos == '[' && pos > start) {
			size_t stop = imap_fetch_section_end(start, (size_t)(pos - start),
							     (size_t)(token->end - start));

			pos = stop ? start + stop : pos + 1;
		} else {
			pos++;
		}
	}
	if (pos == start)
		return -EINVAL;
	token->pos = pos;
	*ret_text = (struct slice){ start, (size_t)(pos - start) };
	return 0;
}

int imap_token_u64(struct token *token, uint64_t *ret_number)
{
	const char *start = token->pos;

	while (token->pos < token->end && *token->pos >= '0' && *token->pos <= '9')
		token->pos++;
	if (peek(token) >= 0 && !strchr(" ()", peek(token)))
		return -EINVAL;
	return num_u64((struct slice){ start, (size_t)(token->pos - start) }, ret_number) ? -EINVAL
											  : 0;
}

int imap_token_u32(struct token *token, uint32_t *ret_number)
{
	uint64_t number;

	if (imap_token_u64(token, &number) != 0 || number > UINT32_MAX)
		return -EINVAL;
	*ret_number = (uint32_t)number;
	return 0;
}

/* quoted = DQUOTE *(QUOTED-CHAR / "\" quoted-specials) DQUOTE, with escapes: copied. `pos` is at
 * the first backslash; the closing quote has not been seen yet. */
static int quoted_unescape(struct token *token, const char *start, const char *pos,
			   struct slice *ret_text)
{
	const char *stop = pos;
	size_t len = (size_t)(pos - start);
	char *copy;
	int err = 0;

	for (; stop < token->end && *stop != '"'; stop++) {
		if (*stop == '\r' || *stop == '\n')
			return -EPROTO;
		if (*stop == '\\' && ++stop < token->end && (*stop == '\r' || *stop == '\n'))
			return -EPROTO;
	}
	if (stop >= token->end)
		return -EPROTO;
	copy = imap_token_alloc(token, (size_t)(stop - start), &err);
	if (!copy)
		return err;
	memcpy(copy, start, len);
	while (pos < stop) {
		if (*pos == '\\')
			pos++;
		copy[len++] = *pos++;
	}
	token->pos = stop + 1;
	*ret_text = (struct slice){ copy, len };
	return 0;
}

static int token_quoted(struct token *token, struct slice *ret_text)
{
	const char *start = token->pos + 1, *pos = start;

	while (pos < token->end && is_class(*pos, C_QUOTED))
		pos++;
	if (pos < token->end && *pos == '\\')
		return quoted_unescape(token, start, pos, ret_text);
	if (pos == token->end || *pos != '"')
		return -EPROTO;
	token->pos = pos + 1;
	*ret_text = (struct slice){ start, (size_t)(pos - start) };
	return 0;
}

/* literal = ["~"] "{" number64 ["+"] "}" CRLF *CHAR8. One that is marked has no bytes here:
 * then ret_text->ptr is NULL and its len the size. */
static int token_literal(struct token *token, struct slice *ret_text)
{
	struct slice digits;
	const char *brace, *close;
	uint64_t size;

	imap_token_char(token, '~');
	brace = token->pos;
	if (!imap_token_char(token, '{'))
		return -EINVAL;
	/* Bounded: what is longer than this in braces is no literal. */
	close = memchr(token->pos, '}',
		       (size_t)(token->end - token->pos) < 64 ? (size_t)(token->end - token->pos)
							      : 64);
	if (!close)
		return -EINVAL;
	digits = (struct slice){ token->pos, (size_t)(close - token->pos) };
	if (digits.len && digits.ptr[digits.len - 1] == '+')
		digits.len--;
	token->pos = close + 1;
	imap_token_char(token, '\r');
	if (!imap_token_char(token, '\n') || num_u64(digits, &size) != 0)
		return -EINVAL;
	while (token->marks && token->marks->header < (size_t)(brace - token->base))
		token->marks = token->marks->next;
	if (token->marks && token->marks->header == (size_t)(brace - token->base)) {
		token->marks = token->marks->next;
		*ret_text = (struct slice){ NULL, (size_t)size };
		return 0;
	}
	if (size > (uint64_t)(token->end - token->pos))
		return -EINVAL;
	*ret_text = (struct slice){ token->pos, (size_t)size };
	token->pos += size;
	return 0;
}

static bool at_literal(const struct token *token)
{
	return peek(token) == '{' ||
	       (peek(token) == '~' && token->end - token->pos > 1 && token->pos[1] == '{');
}

int imap_token_string(struct token *token, struct slice *ret_text)
{
	struct slice text;
	int err;

	if (peek(token) == '"')
		return token_quoted(token, ret_text);
	if (!at_literal(token))
		return -EINVAL;
	err = token_literal(token, &text);
	if (err)
		return err;
	if (!text.ptr)
		return -EINVAL;
	*ret_text = text;
	return 0;
}

int imap_token_streamed(struct token *token, uint64_t *ret_size)
{
	struct slice text;
	int err = at_literal(token) ? token_literal(token, &text) : -EINVAL;

	if (err)
		return err;
	if (text.ptr)
		return -EINVAL;
	*ret_size = text.len;
	return 0;
}

int imap_token_astring(struct token *token, struct slice *ret_text)
{
	struct slice word;

	if (peek(token) == '"' || at_literal(token))
		return imap_token_string(token, ret_text);
	word = imap_token_word(token);
	if (word.len == 0)
		return -EINVAL;
	*ret_text = word;
	return 0;
}

/* ---- trees ------------------------------------------------------------------- */

static int leaf_read(struct token *token, struct imap_value *value)
{
	int err;

	if (peek(token) == '"') {
		value->type = IMAP_VALUE_STRING;
		return token_quoted(token, &value->text);
	}
	if (at_literal(token)) {
		err = token_literal(token, &value->text);
		if (err)
			return err;
		value->type = value->text.ptr ? IMAP_VALUE_STRING : IMAP_VALUE_STREAMED;
		return 0;
	}
	value->type = IMAP_VALUE_ATOM;
	return imap_token_atom(token, &value->text);
}

int imap_token_value(struct token *token, const struct imap_value **ret_value)
{
	const struct imap_value **tails[IMAP_LIMIT_NESTING + 1], *first = NULL;
	unsigned depth = 0;
	int err = 0;

	tails[0] = &first;
	do {
		struct imap_value *value;

		imap_token_spaces(token);
		if (depth && imap_token_char(token, ')')) {
			depth--;
			continue;
		}
		if (token->values >= IMAP_LIMIT_VALUES)
			return -EMSGSIZE;
		value = imap_token_alloc(token, sizeof(*value), &err);
		if (!value)
			return err;
		token->values++;
		*value = (struct imap_value){ 0 };
		*tails[depth] = value;
		tails[depth] = &value->next;
		if (imap_token_char(token, '(')) {
			if (depth == IMAP_LIMIT_NESTING)
				return -EMSGSIZE;
			value->type = IMAP_VALUE_LIST;
			tails[++depth] = &value->child;
		} else {
			err = leaf_read(token, value);
			if (err)
				return err;
		}
	} while (depth);
	*ret_value = first;
	return 0;
}

int imap_token_values(struct token *token, const struct imap_value **ret_first)
{
	const struct imap_value *first = NULL, *last = NULL, *value;

	for (;;) {
		int err;

		imap_token_spaces(token);
		if (imap_token_at_end(token))
			break;
		err = imap_token_value(token, &value);
		if (err)
			return err;
		if (last)
			((struct imap_value *)last)->next = value; /* ours, just made */
		else
			first = value;
		last = value;
	}
	*ret_first = first;
	return 0;
}

int imap_token_skip(struct token *token)
{
	size_t depth = 0;

	do {
		struct slice text;
		int err = 0;

		imap_token_spaces(token);
		if (imap_token_char(token, '(')) {
			depth++;
		} else if (depth && imap_token_char(token, ')')) {
			depth--;
		} else if (peek(token) == '"') {
			/* Not imap_token_string(): nothing is to be unescaped. */
			const char *pos = token->pos + 1;

			while (pos < token->end && *pos != '"') {
				if (*pos == '\r' || *pos == '\n')
					return -EPROTO;
				pos += *pos == '\\' ? 2 : 1;
			}
			if (pos >= token->end)
				return -EPROTO;
			token->pos = pos + 1;
		} else if (at_literal(token)) {
			err = token_literal(token, &text);
		} else if (imap_token_atom(token, &text) != 0) {
			/* Any byte that fits nowhere. */
			if (imap_token_at_end(token) || peek(token) == ')')
				return -EINVAL;
			token->pos++;
		}
		if (err)
			return err;
	} while (depth);
	return 0;
}
