/* The rules of msgname.h. Cleaning works on decoded text, so that nothing hides in an encoded word.
 */
#include "store/msgname.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <glib.h>

#include "store/encword.h"
#include "util/num.h"
#include "util/utf8.h"

#define SOURCE_MAX 2048 /* of a raw header value: what is behind cannot show in 200 bytes */
#define FROM_KEPT 64    /* bytes that a long From keeps when there is not room for all */

/* ---- cleaning ------------------------------------------------------------------ */

enum kind { KIND_KEEP, KIND_DROP, KIND_GAP };

static enum kind ascii_kind(uint32_t ch)
{
	if (ch == ' ' || (ch >= '\t' && ch <= '\r') || ch == '/' || ch == '\\' || ch == '|')
		return KIND_GAP;
	if (ch < 0x20 || ch == 0x7f || strchr("*?[]{}<>&;\"'$`", (int)ch) != NULL)
		return KIND_DROP;
	return KIND_KEEP;
}

static enum kind character_kind(uint32_t ch)
{
	if (ch < 0x80)
		return ascii_kind(ch);
	if (ch == 0x200c || ch == 0x200d) /* joiners that Persian, Indic scripts and emoji need */
		return KIND_KEEP;
	switch (g_unichar_type(ch)) {
	case G_UNICODE_CONTROL:
	case G_UNICODE_FORMAT:
	case G_UNICODE_LINE_SEPARATOR:
	case G_UNICODE_PARAGRAPH_SEPARATOR:
	case G_UNICODE_SURROGATE: return KIND_DROP;
	case G_UNICODE_SPACE_SEPARATOR: return KIND_GAP;
	default: return KIND_KEEP;
	}
}

/* Cleans UTF-8 in place; the new length. A run of gaps is one '_', none at the ends. */
static size_t clean(char *text, size_t len)
{
	struct slice rest = { text, len };
	size_t used = 0;
	bool gap = false;

	while (rest.len > 0) {
		const char *start = rest.ptr;
		uint32_t ch = utf8_next(&rest);
		enum kind kind = character_kind(ch);

		if (kind == KIND_GAP)
			gap = used > 0;
		if (kind != KIND_KEEP)
			continue;
		if (gap)
			text[used++] = '_';
		gap = false;
		memmove(text + used, start, (size_t)(rest.ptr - start));
		used += (size_t)(rest.ptr - start);
	}
	return used;
}

static void append_clean(struct slice raw, struct buf *out)
{
	size_t start = out->len;

	if (raw.len > SOURCE_MAX)
		raw.len = SOURCE_MAX;
	encword_decode(raw, out);
	if (out->error == 0)
		out->len = start + clean(out->ptr + start, out->len - start);
}

/* ---- parts --------------------------------------------------------------------- */

static void append_from(const struct imap_envelope *envelope, struct buf *out)
{
	const struct imap_address_list *from = &envelope->from;
	const struct imap_address *address;
	size_t i = 0;

	/* The start of a group has no host; the first real member counts. */
	while (i < from->count && from->items[i].host.ptr == NULL)
		i++;
	if (from->count == 0)
		return;
	address = &from->items[i < from->count ? i : 0];
	append_clean(address->name, out);
	if (out->len > 0)
		return;
	append_clean(address->mailbox, out);
	if (address->host.len > 0) {
		buf_append_char(out, '@');
		append_clean(address->host, out);
	}
	if (out->len == 1) /* a bare '@' */
		buf_clear(out);
}

static struct slice text_or(const struct buf *buf, const char *placeholder)
{
	return buf->len > 0 ? buf_slice(buf) : slice_of(placeholder);
}

static void format_date(int64_t internaldate, char buf[static 16])
{
	time_t seconds = (time_t)internaldate;
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
		snprintf(buf, 16, "00000101-0000");
		return;
	}
	snprintf(buf, 16, "%04u%02u%02u-%02u%02u", (unsigned)(tm.tm_year + 1900) % 10000u,
		 (unsigned)(tm.tm_mon + 1) % 100u, (unsigned)tm.tm_mday % 100u,
		 (unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u);
}

size_t msgname_uid(imap_uid uid, char name[static MSGNAME_SIZE])
{
	return (size_t)snprintf(name, MSGNAME_SIZE, "%u.eml", (unsigned)uid);
}

size_t msgname_readable(int64_t internaldate, const struct imap_envelope *envelope, imap_uid uid,
			char name[static MSGNAME_SIZE])
{
	char date[16], tail[24];
	struct slice from, subject;
	struct buf from_buf, subject_buf;
	size_t room;

	buf_init(&from_buf, 8 * SOURCE_MAX);
	buf_init(&subject_buf, 8 * SOURCE_MAX);
	if (envelope != NULL) {
		append_from(envelope, &from_buf);
		append_clean(envelope->subject, &subject_buf);
	}
	from = text_or(&from_buf, "unknown");
	subject = text_or(&subject_buf, "no-subject");
	format_date(internaldate, date);
	snprintf(tail, sizeof(tail), ".%u.eml", (unsigned)uid);
	room = MSGNAME_MAX - strlen(date) - 2 - strlen(tail);
	if (from.len + subject.len > room)
		from.len = utf8_cut(from, subject.len + FROM_KEPT > room ? FROM_KEPT
									 : room - subject.len);
	subject.len = utf8_cut(subject, room - from.len);
	room = (size_t)snprintf(name, MSGNAME_SIZE, "%s.%.*s.%.*s%s", date, (int)from.len, from.ptr,
				(int)subject.len, subject.ptr, tail);
	buf_release(&from_buf);
	buf_release(&subject_buf);
	return room;
}

size_t msgname_avoid(size_t len, char name[static MSGNAME_SIZE])
{
	memcpy(name + len - 4, "~2.eml", 7);
	return len + 2;
}

imap_uid msgname_parse(struct slice name, bool *ret_avoided)
{
	size_t end, start;
	imap_uid uid;

	*ret_avoided = false;
	if (name.len < 5 || memcmp(name.ptr + name.len - 4, ".eml", 4) != 0)
		return 0;
	end = name.len - 4;
	if (end > 2 && name.ptr[end - 1] == '2' && name.ptr[end - 2] == '~') {
		*ret_avoided = true;
		end -= 2;
	}
	for (start = end; start > 0 && name.ptr[start - 1] >= '0' && name.ptr[start - 1] <= '9';)
		start--;
	if (start == end || name.ptr[start] == '0' || (start > 0 && name.ptr[start - 1] != '.') ||
	    num_u32((struct slice){ name.ptr + start, end - start }, &uid) != 0)
		return 0;
	return uid;
}
