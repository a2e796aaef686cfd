/*
 * Builds one command. Decides how a string travels (atom, quoted, literal); whether a
 * literal has to wait for the server is decided when it is sent (proto.c).
 */
#include "command_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <imap/date.h>
#include <imap/limits.h>

#include "util/secret.h"
#include "util/slice.h"

#define PIECES_MAX 1024
/* Longer strings go as literals: some servers have short line buffers. */
#define QUOTED_MAX 1000

struct imap_command *imap_command_new(const char *name)
{
	struct imap_command *command = calloc(1, sizeof(*command));

	if (!command)
		return NULL;
	buf_init(&command->text, IMAP_LIMIT_OUTPUT / 2);
	command->glued = true;
	imap_command_atom(command, name);
	return command;
}

void imap_command_free(struct imap_command **command)
{
	struct imap_command *c = *command;

	if (!c)
		return;
	if (c->secret && c->text.ptr)
		secret_wipe(c->text.ptr, c->text.size);
	buf_release(&c->text);
	free(c->pieces);
	free(c);
	*command = NULL;
}

int imap_command_error(const struct imap_command *command)
{
	return command ? command->error : -ENOMEM;
}

static void command_fail(struct imap_command *command, int error)
{
	if (!command->error)
		command->error = error;
}

static struct imap_piece *command_piece(struct imap_command *command, bool literal, bool secret)
{
	struct imap_piece *piece;

	if (command->piece_count) {
		piece = &command->pieces[command->piece_count - 1];
		if (!literal && !piece->literal && piece->secret == secret)
			return piece;
	}
	if (command->piece_count == command->piece_capacity) {
		size_t capacity = command->piece_capacity ? command->piece_capacity * 2 : 4;
		struct imap_piece *pieces;

		if (capacity > PIECES_MAX) {
			command_fail(command, -EMSGSIZE);
			return NULL;
		}
		pieces = realloc(command->pieces, capacity * sizeof(*pieces));
		if (!pieces) {
			command_fail(command, -ENOMEM);
			return NULL;
		}
		command->pieces = pieces;
		command->piece_capacity = capacity;
	}
	piece = &command->pieces[command->piece_count++];
	*piece = (struct imap_piece){ command->text.len, 0, literal, secret };
	return piece;
}

static void command_put(struct imap_command *command, struct slice text, bool literal, bool secret)
{
	struct imap_piece *piece;
	int err;

	if (command->error)
		return;
	piece = command_piece(command, literal, secret);
	if (!piece)
		return;
	err = buf_append_slice(&command->text, text);
	if (err) {
		command_fail(command, err);
		return;
	}
	piece->len += text.len;
	command->line = literal ? 0 : command->line + text.len;
	if (command->line > IMAP_LIMIT_COMMAND_LINE)
		command_fail(command, -EMSGSIZE);
}

static void command_text(struct imap_command *command, struct slice text)
{
	command_put(command, text, false, false);
}

static void command_space(struct imap_command *command)
{
	if (!command->glued)
		command_text(command, SLICE_LIT(" "));
	command->glued = false;
}

void imap_command_atom(struct imap_command *command, const char *text)
{
	imap_command_raw(command, slice_of(text));
}

void imap_command_raw(struct imap_command *command, struct slice text)
{
	if (!command)
		return;
	if (!text.ptr || memchr(text.ptr, '\r', text.len) || memchr(text.ptr, '\n', text.len) ||
	    memchr(text.ptr, '\0', text.len)) {
		command_fail(command, -EINVAL);
		return;
	}
	command_space(command);
	command_text(command, text);
}

enum form { FORM_ATOM, FORM_QUOTED, FORM_LITERAL, FORM_NONE };

/* Fewer characters than RFC 9051 §9 ASTRING-CHAR allows: what every server agrees on. */
static bool is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == '_' || c == '/';
}

static enum form string_form(struct slice text)
{
	bool plain = text.len > 0 && text.len < QUOTED_MAX && !slice_caseeqs(text, "NIL");
	bool quotable = text.len < QUOTED_MAX;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c == 0)
			return FORM_NONE; /* RFC 9051 §9: CHAR8 has no NUL */
		if (c == '\r' || c == '\n' || c >= 0x80)
			quotable = false;
		if (!is_plain(c))
			plain = false;
	}
	return plain ? FORM_ATOM : quotable ? FORM_QUOTED : FORM_LITERAL;
}

static void command_quoted(struct imap_command *command, struct slice text, bool secret)
{
	size_t from = 0;

	command_put(command, SLICE_LIT("\""), false, secret);
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] != '"' && text.ptr[i] != '\\')
			continue;
		command_put(command, (struct slice){ text.ptr + from, i - from }, false, secret);
		command_put(command, SLICE_LIT("\\"), false, secret);
		from = i;
	}
	command_put(command, (struct slice){ text.ptr + from, text.len - from }, false, secret);
	command_put(command, SLICE_LIT("\""), false, secret);
}

static void command_string(struct imap_command *command, struct slice text, bool atom_ok,
			   bool secret)
{
	enum form form;

	if (!command)
		return;
	if (!text.ptr) {
		command_fail(command, -EINVAL);
		return;
	}
	form = string_form(text);
	if (form == FORM_ATOM && !atom_ok)
		form = FORM_QUOTED;
	if (form == FORM_NONE) {
		command_fail(command, -EINVAL);
		return;
	}
	command_space(command);
	if (form == FORM_QUOTED)
		command_quoted(command, text, secret);
	else
		command_put(command, text, form == FORM_LITERAL, secret);
}

void imap_command_astring(struct imap_command *command, struct slice text)
{
	command_string(command, text, true, false);
}

void imap_command_string(struct imap_command *command, struct slice text)
{
	command_string(command, text, false, false);
}

void imap_command_nstring(struct imap_command *command, struct slice text)
{
	if (text.ptr)
		imap_command_string(command, text);
	else
		imap_command_atom(command, "NIL");
}

/* So that appending does not move (and leave behind) a copy of a secret. */
static void command_secret_room(struct imap_command *command, size_t len)
{
	command->secret = true;
	if (!buf_reserve(&command->text, 2 * len + 64))
		command_fail(command, -ENOMEM);
}

void imap_command_secret(struct imap_command *command, const void *data, size_t len)
{
	if (!command)
		return;
	command_secret_room(command, len);
	command_string(command, (struct slice){ data, len }, false, true);
}

void imap_command_secret_atom(struct imap_command *command, struct slice text)
{
	if (!command)
		return;
	command_secret_room(command, text.len);
	command_space(command);
	command_put(command, text, false, true);
}

void imap_command_number(struct imap_command *command, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	imap_command_atom(command, text);
}

void imap_command_set(struct imap_command *command, const struct imap_set *set)
{
	char text[IMAP_LIMIT_COMMAND_LINE];
	size_t pos = 0, len;

	if (!command || command->error)
		return;
	len = imap_set_format(set, &pos, text, sizeof(text));
	if (!len) {
		command_fail(command, -EINVAL);
	} else if (pos < set->count) {
		command_fail(command, -EMSGSIZE);
	} else {
		command_space(command);
		command_text(command, (struct slice){ text, len });
	}
}

/* RFC 9051 §9 flag-keyword: an atom. */
static bool is_keyword(struct slice word)
{
	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.ptr[i];

		if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\]", c))
			return false;
	}
	return word.len > 0;
}

static void command_keywords(struct imap_command *command, struct slice keywords)
{
	size_t pos = 0;

	while (pos < keywords.len) {
		struct slice word = { keywords.ptr + pos, 0 };

		while (pos < keywords.len && keywords.ptr[pos] != ' ') {
			pos++;
			word.len++;
		}
		pos++;
		if (!word.len)
			continue;
		if (!is_keyword(word)) {
			command_fail(command, -EINVAL);
			return;
		}
		imap_command_raw(command, word);
	}
}

void imap_command_flags(struct imap_command *command, uint32_t flags, struct slice keywords)
{
	static const struct {
		enum imap_flag flag;
		const char *name;
	} names[] = {
		{ IMAP_FLAG_SEEN, "\\Seen" },       { IMAP_FLAG_ANSWERED, "\\Answered" },
		{ IMAP_FLAG_FLAGGED, "\\Flagged" }, { IMAP_FLAG_DELETED, "\\Deleted" },
		{ IMAP_FLAG_DRAFT, "\\Draft" }, /* \Recent is the server's alone */
	};

	imap_command_open(command);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].flag)
			imap_command_atom(command, names[i].name);
	if (command)
		command_keywords(command, keywords);
	imap_command_close(command);
}

void imap_command_date(struct imap_command *command, int64_t internaldate)
{
	char text[IMAP_DATE_SIZE];
	int err;

	if (!command)
		return;
	err = imap_date_format(internaldate, text);
	if (err)
		command_fail(command, err);
	else
		imap_command_string(command, slice_of(text));
}

void imap_command_open(struct imap_command *command)
{
	imap_command_atom(command, "(");
	if (command)
		command->glued = true;
}

void imap_command_close(struct imap_command *command)
{
	if (!command)
		return;
	command_text(command, SLICE_LIT(")"));
	command->glued = false;
}
