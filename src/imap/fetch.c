/*
 * FETCH responses:
 *
 *   message-data = nz-number SP "FETCH" SP "(" msg-att *(SP msg-att) ")"
 *
 * Each item has a reader. When it fails the cursor goes back to the beginning of
 * the value and steps over it, so that one item never costs another; the UID above
 * all. Items we do not know are stepped over in the same way, quietly.
 */
#include "imap/fetch.h"

#include <errno.h>
#include <string.h>

#include "imap/envelope_read.h"
#include "imap/flags.h"
#include "imap/token.h"
#include "util/num.h"
#include "util/slice.h"
#include <imap/date.h>
#include <imap/limits.h>

/* ---- names of sections --------------------------------------------------------- */

size_t imap_fetch_section_end(const char *base, size_t at, size_t end)
{
	for (at++; at < end; at++) {
		switch (base[at]) {
		case ']': return at + 1;
		case '[':
		case '\r':
		case '\n': return 0;
		case '"':
			for (at++; at < end && base[at] != '"'; at++)
				if (base[at] == '\\')
					at++;
		}
	}
	return 0;
}

/* section = "[" [section-spec] "]" ["<" number ">"] */
static int section_brackets(struct slice text, struct slice *ret_section, int64_t *ret_origin)
{
	size_t end = imap_fetch_section_end(text.ptr, 0, text.len);
	struct slice section;
	uint32_t origin;

	if (!end)
		return -EINVAL;
	section = (struct slice){ text.ptr + 1, end - 2 };
	text.ptr += end;
	text.len -= end;
	*ret_origin = -1;
	if (text.len) {
		if (text.len < 3 || text.ptr[0] != '<' || text.ptr[text.len - 1] != '>' ||
		    num_u32((struct slice){ text.ptr + 1, text.len - 2 }, &origin) != 0)
			return -EINVAL;
		*ret_origin = origin;
	}
	*ret_section = section;
	return 0;
}

int imap_fetch_section_name(struct slice name, struct slice *ret_section, int64_t *ret_origin)
{
	static const struct {
		struct slice name, section;
	} old[] = {
		{ SLICE_LIT("RFC822"), SLICE_LIT("") },
		{ SLICE_LIT("RFC822.HEADER"), SLICE_LIT("HEADER") },
		{ SLICE_LIT("RFC822.TEXT"), SLICE_LIT("TEXT") },
	};
	size_t word = 0;

	if (slice_casestarts(name, "BODY["))
		word = 4;
	else if (slice_casestarts(name, "BINARY["))
		word = 6;
	if (word)
		return section_brackets((struct slice){ name.ptr + word, name.len - word },
					ret_section, ret_origin);
	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		if (!slice_caseeq(name, old[i].name))
			continue;
		*ret_section = old[i].section;
		*ret_origin = -1;
		return 0;
	}
	return -EINVAL;
}

/* ---- readers, one an item --------------------------------------------------------- */

struct fetch_reader {
	struct imap_event_fetch *fetch;
	struct imap_section *sections; /* what fetch->sections points at */
	size_t section_capacity;
};

/* "UID" SP uniqueid */
static int read_uid(struct token *token, struct fetch_reader *reader)
{
	imap_uid uid;
	int err = imap_token_u32(token, &uid);

	if (err)
		return err;
	/* BODY_BEGIN may have named the first one already. */
	if (uid == 0 || (reader->fetch->uid && reader->fetch->uid != uid))
		return -EINVAL;
	reader->fetch->uid = uid;
	return 0;
}

/* "FLAGS" SP "(" [flag-fetch *(SP flag-fetch)] ")" */
static int read_flags(struct token *token, struct fetch_reader *reader)
{
	struct imap_event_flags flags;
	int err = imap_flags_read(token, &flags);

	if (err)
		return err;
	reader->fetch->flags = flags.flags;
	reader->fetch->keywords = flags.keywords;
	reader->fetch->keyword_count = flags.keyword_count;
	return 0;
}

static int read_date(struct token *token, int64_t *ret_seconds)
{
	struct slice text;
	int err = imap_token_string(token, &text);

	return err ? err : imap_date_parse(text, ret_seconds);
}

/* "INTERNALDATE" SP date-time */
static int read_internaldate(struct token *token, struct fetch_reader *reader)
{
	return read_date(token, &reader->fetch->internaldate);
}

/* "SAVEDATE" SP (date-time / nil); nil: the mailbox keeps none */
static int read_savedate(struct token *token, struct fetch_reader *reader)
{
	return read_date(token, &reader->fetch->savedate);
}

/* "RFC822.SIZE" SP number64 */
static int read_size(struct token *token, struct fetch_reader *reader)
{
	return imap_token_u64(token, &reader->fetch->size);
}

/* "MODSEQ" SP "(" permsg-modsequence ")" */
static int read_modseq(struct token *token, struct fetch_reader *reader)
{
	uint64_t modseq;
	bool list = imap_token_char(token, '(');
	int err;

	imap_token_spaces(token);
	err = imap_token_u64(token, &modseq);
	if (err)
		return err;
	imap_token_spaces(token);
	if (modseq > INT64_MAX || (list && !imap_token_char(token, ')')))
		return -EINVAL;
	reader->fetch->modseq = modseq;
	return 0;
}

/* "EMAILID" SP "(" objectid ")" ; "THREADID" SP ("(" objectid ")" / nil) */
static int read_objectid(struct token *token, struct slice *ret_id)
{
	struct slice id;
	int err;

	if (!imap_token_char(token, '('))
		return -EINVAL;
	imap_token_spaces(token);
	err = imap_token_atom(token, &id);
	if (err)
		return err;
	imap_token_spaces(token);
	if (!imap_token_char(token, ')'))
		return -EINVAL;
	*ret_id = id;
	return 0;
}

static int read_emailid(struct token *token, struct fetch_reader *reader)
{
	return read_objectid(token, &reader->fetch->emailid);
}

static int read_threadid(struct token *token, struct fetch_reader *reader)
{
	return read_objectid(token, &reader->fetch->threadid);
}

static int read_envelope(struct token *token, struct fetch_reader *reader)
{
	const struct imap_value *value;
	int err = imap_token_value(token, &value);

	return err ? err : imap_envelope_read(token, value, &reader->fetch->envelope);
}

/* "BODYSTRUCTURE" SP body ; "BODY" SP body */
static int read_bodystructure(struct token *token, struct fetch_reader *reader)
{
	const struct imap_value *value;
	int err = imap_token_value(token, &value);

	if (err)
		return err;
	if (value->type != IMAP_VALUE_LIST)
		return -EINVAL;
	reader->fetch->bodystructure = value;
	return 0;
}

static int section_add(struct token *token, struct fetch_reader *reader,
		       struct imap_section section)
{
	size_t count = reader->fetch->section_count;

	if (count == reader->section_capacity) {
		size_t capacity = count ? count * 2 : 4;
		struct imap_section *items;
		int err = 0;

		items = imap_token_alloc(token, capacity * sizeof(*items), &err);
		if (!items)
			return err;
		if (count)
			memcpy(items, reader->sections, count * sizeof(*items));
		reader->sections = items;
		reader->section_capacity = capacity;
	}
	reader->sections[count] = section;
	reader->fetch->sections = reader->sections;
	reader->fetch->section_count = count + 1;
	reader->fetch->present |= IMAP_FETCH_SECTION;
	return 0;
}

/* "BODY" section ["<" number ">"] SP nstring, of which a literal has gone to the sink */
static int read_section(struct token *token, struct fetch_reader *reader,
			struct imap_section section)
{
	struct token at_value = *token;
	struct slice nil;
	int err = imap_token_streamed(token, &section.size);

	if (err == -EINVAL) {
		*token = at_value;
		err = imap_token_string(token, &section.text);
		section.size = section.text.len;
	}
	if (err == -EINVAL) {
		*token = at_value;
		err = imap_token_atom(token, &nil);
		section.nil = true;
		if (!err && !slice_caseeqs(nil, "NIL"))
			return -EINVAL;
	}
	return err ? err : section_add(token, reader, section);
}

static const struct fetch_item {
	struct slice name;
	uint32_t item;
	int (*read)(struct token *token, struct fetch_reader *reader);
} fetch_items[] = {
	{ SLICE_LIT("UID"), IMAP_FETCH_UID, read_uid },
	{ SLICE_LIT("FLAGS"), IMAP_FETCH_FLAGS, read_flags },
	{ SLICE_LIT("INTERNALDATE"), IMAP_FETCH_INTERNALDATE, read_internaldate },
	{ SLICE_LIT("RFC822.SIZE"), IMAP_FETCH_SIZE, read_size },
	{ SLICE_LIT("MODSEQ"), IMAP_FETCH_MODSEQ, read_modseq },
	{ SLICE_LIT("ENVELOPE"), IMAP_FETCH_ENVELOPE, read_envelope },
	{ SLICE_LIT("BODYSTRUCTURE"), IMAP_FETCH_BODYSTRUCTURE, read_bodystructure },
	{ SLICE_LIT("BODY"), IMAP_FETCH_BODYSTRUCTURE, read_bodystructure },
	{ SLICE_LIT("EMAILID"), IMAP_FETCH_EMAILID, read_emailid },
	{ SLICE_LIT("THREADID"), IMAP_FETCH_THREADID, read_threadid },
	{ SLICE_LIT("SAVEDATE"), IMAP_FETCH_SAVEDATE, read_savedate },
};

static const struct fetch_item *item_find(struct slice name)
{
	for (size_t i = 0; i < sizeof(fetch_items) / sizeof(fetch_items[0]); i++)
		if (slice_caseeq(name, fetch_items[i].name))
			return &fetch_items[i];
	return NULL;
}

bool imap_fetch_is_item(struct slice name)
{
	struct slice section;
	int64_t origin;

	return item_find(name) || imap_fetch_section_name(name, &section, &origin) == 0;
}

/* ---- the list of items -------------------------------------------------------------- */

/* Behind an item whose value could not be read: over that value, unless it is missing and the
 * next item or the end stands in its place. */
static int resync(struct token *token, struct token at_value)
{
	struct slice atom;
	int err;

	*token = at_value;
	imap_token_spaces(token);
	if (imap_token_at_end(token) || *token->pos == ')')
		return 0;
	if (imap_token_atom(token, &atom) == 0 && imap_fetch_is_item(atom)) {
		token->pos = atom.ptr;
		return 0;
	}
	*token = at_value;
	err = imap_token_skip(token);
	if (err == -EINVAL)
		imap_token_rest(token); /* unbalanced: nothing behind it can be trusted */
	return err == -EINVAL ? 0 : err;
}

/* NIL where it is a legal value: nothing is there, nothing is broken. */
static bool nil_is_fine(uint32_t item, struct token at_value)
{
	struct slice atom;

	if (!(item & (IMAP_FETCH_SAVEDATE | IMAP_FETCH_THREADID)))
		return false;
	return imap_token_atom(&at_value, &atom) == 0 && slice_caseeqs(atom, "NIL");
}

static int item_read(struct token *token, struct slice name, struct fetch_reader *reader)
{
	const struct fetch_item *item = item_find(name);
	struct imap_section section = { .origin = -1 };
	struct token at_value;
	int err;

	imap_token_spaces(token);
	at_value = *token;
	if (item)
		err = item->read(token, reader);
	else if (imap_fetch_section_name(name, &section.name, &section.origin) == 0)
		err = read_section(token, reader, section);
	else
		return resync(token, at_value);
	if (!err && item)
		reader->fetch->present |= item->item;
	if (err != -EINVAL && err != -EMSGSIZE)
		return err;
	if (!item || !nil_is_fine(item->item, at_value))
		reader->fetch->present |= IMAP_FETCH_BROKEN;
	return resync(token, at_value);
}

/* Where the name of an item should be, something else is. */
static int junk_skip(struct token *token, struct fetch_reader *reader)
{
	int err = imap_token_skip(token);

	reader->fetch->present |= IMAP_FETCH_BROKEN;
	if (err == -EINVAL)
		imap_token_rest(token);
	return err == -EINVAL ? 0 : err;
}

int imap_fetch_read(struct token *token, struct imap_event_fetch *fetch)
{
	struct fetch_reader reader = { .fetch = fetch };
	size_t depth = 0;

	imap_token_spaces(token);
	if (!imap_token_char(token, '('))
		return -EINVAL;
	for (depth = 1; depth && !imap_token_at_end(token); imap_token_spaces(token)) {
		struct slice name;
		int err = 0;

		if (imap_token_char(token, ')'))
			depth--;
		else if (imap_token_char(token, '('))
			depth++; /* some put an item in brackets of its own */
		else if (imap_token_atom(token, &name) == 0)
			err = item_read(token, name, &reader);
		else if (*token->pos != ' ')
			err = junk_skip(token, &reader);
		if (err)
			return err;
	}
	if (depth || !imap_token_at_end(token))
		fetch->present |= IMAP_FETCH_BROKEN;
	return 0;
}
