/* The two directions of boxname.h. The escapes are chosen so that the way back can check
 * itself: an entry is right when the wire name found for it gives that entry again. */
#include "store/boxname.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <imap/mutf7.h>

#include "util/utf8.h"

#define BOXNAME_TEXT_MAX 4096 /* a decoded component; longer ones are shown raw and cut */
#define BOXNAME_HASH_LEN 10   /* "%~" and 8 digits */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool is_escape(struct slice text, size_t at)
{
	return text.ptr[at] == '%' && at + 2 < text.len && hex_value(text.ptr[at + 1]) >= 0 &&
	       hex_value(text.ptr[at + 2]) >= 0;
}

/* "%~" and 8 hex digits at the very end: how a cut name ends. */
static bool is_hash_mark(struct slice text, size_t at)
{
	if (text.len - at != BOXNAME_HASH_LEN || text.ptr[at] != '%' || text.ptr[at + 1] != '~')
		return false;
	for (size_t i = at + 2; i < text.len; i++)
		if (hex_value(text.ptr[i]) < 0)
			return false;
	return true;
}

/* Characters that move or hide others on a terminal. */
static bool is_deceiving(uint32_t ch)
{
	return ch < 0x20 || (ch >= 0x7f && ch < 0xa0) || (ch >= 0x200e && ch <= 0x200f) ||
	       (ch >= 0x2028 && ch <= 0x202e) || (ch >= 0x2066 && ch <= 0x2069);
}

/* FNV-1a: no secret depends on it, only that two siblings differ. */
static uint32_t boxname_hash(struct slice text)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619u;
	return hash;
}

/* An entry being written: what does not fit is remembered as cut, at a character's or an escape's
 * edge. */
struct entry_out {
	char *ptr;
	size_t len, max;
	size_t safe; /* the longest prefix that leaves room for the hash */
	bool cut;
};

static void entry_put(struct entry_out *out, const char *data, size_t len)
{
	if (out->cut || out->len + len > out->max) {
		out->cut = true;
		return;
	}
	memcpy(out->ptr + out->len, data, len);
	out->len += len;
	if (out->len + BOXNAME_HASH_LEN <= out->max)
		out->safe = out->len;
}

static void entry_put_escaped(struct entry_out *out, const char *data, size_t len)
{
	char escape[4];

	for (size_t i = 0; i < len; i++) {
		snprintf(escape, sizeof(escape), "%%%02X", (unsigned char)data[i]);
		entry_put(out, escape, 3);
	}
}

static void escape_text(struct slice text, struct entry_out *out)
{
	struct slice rest = text;

	while (rest.len > 0) {
		const char *start = rest.ptr;
		size_t at = (size_t)(start - text.ptr);
		uint32_t ch = utf8_next(&rest);
		size_t len = (size_t)(rest.ptr - start);
		bool escape = ch == UINT32_MAX || ch == '/' || is_deceiving(ch) ||
			      (ch == '.' && at == 0) ||
			      (ch == '%' && (is_escape(text, at) || is_hash_mark(text, at)));

		if (escape)
			entry_put_escaped(out, start, len);
		else
			entry_put(out, start, len);
	}
}

/* Raw bytes: the first one is always escaped, which no decoded name does to a printable character.
 */
static void escape_raw(struct slice wire, struct entry_out *out)
{
	for (size_t i = 0; i < wire.len; i++) {
		unsigned char c = (unsigned char)wire.ptr[i];

		if (i == 0 || c == '&' || c == '/' || c < 0x20 || c >= 0x7f || is_escape(wire, i) ||
		    is_hash_mark(wire, i))
			entry_put_escaped(out, wire.ptr + i, 1);
		else
			entry_put(out, wire.ptr + i, 1);
	}
}

static size_t unescape(struct slice entry, char *buf)
{
	size_t len = 0;

	for (size_t i = 0; i < entry.len; i++) {
		if (is_escape(entry, i)) {
			buf[len++] = (char)(hex_value(entry.ptr[i + 1]) << 4 |
					    hex_value(entry.ptr[i + 2]));
			i += 2;
		} else {
			buf[len++] = entry.ptr[i];
		}
	}
	return len;
}

/* Raw bytes that show nothing but escapes which a decoded name may have too ("\x01", C1 controls in
 * UTF-8). */
static bool looks_decoded(struct slice entry)
{
	char text[BOXNAME_MAX + 1], wire[4 * BOXNAME_MAX], again[BOXNAME_MAX + 1];
	struct entry_out out = { .ptr = again, .max = BOXNAME_MAX };
	size_t len = unescape(entry, text);

	if (imap_mutf7_encode((struct slice){ text, len }, wire, sizeof(wire)) < 0)
		return false;
	escape_text((struct slice){ text, len }, &out);
	return !out.cut && slice_eq((struct slice){ again, out.len }, entry);
}

static void escape_component(struct slice wire, struct entry_out *out)
{
	char text[BOXNAME_TEXT_MAX];
	long len = imap_mutf7_decode(wire, text, sizeof(text) - 1);

	if (len >= 0) {
		escape_text((struct slice){ text, (size_t)len }, out);
		return;
	}
	escape_raw(wire, out);
	if (!out->cut && looks_decoded((struct slice){ out->ptr, out->len }))
		out->cut = true; /* the hash tells them apart */
}

static size_t entry_add_hash(struct slice wire, struct entry_out *out)
{
	snprintf(out->ptr + out->safe, BOXNAME_HASH_LEN + 1, "%%~%08x", boxname_hash(wire));
	return out->safe + BOXNAME_HASH_LEN;
}

size_t boxname_entry(struct slice wire, char entry[static BOXNAME_MAX + 1])
{
	struct entry_out out = { .ptr = entry, .max = BOXNAME_MAX };

	escape_component(wire, &out);
	if (out.cut)
		return entry_add_hash(wire, &out);
	entry[out.len] = '\0';
	return out.len;
}

size_t boxname_entry_hashed(struct slice wire, char entry[static BOXNAME_MAX + 1])
{
	struct entry_out out = { .ptr = entry, .max = BOXNAME_MAX };

	escape_component(wire, &out);
	return entry_add_hash(wire, &out);
}

long boxname_text(struct slice wire, char *buf, size_t size)
{
	struct entry_out out = { .ptr = buf, .max = size - 1 };
	long len = imap_mutf7_decode(wire, buf, size - 1);

	if (len >= 0 && memchr(buf, '\0', (size_t)len) == NULL)
		return len;
	if (len == -ENAMETOOLONG)
		return len;
	escape_raw(wire, &out);
	if (out.cut)
		return -ENAMETOOLONG;
	buf[out.len] = '\0';
	return (long)out.len;
}

static bool gives_entry(struct slice wire, struct slice entry)
{
	char again[BOXNAME_MAX + 1];

	return slice_eq((struct slice){ again, boxname_entry(wire, again) }, entry);
}

long boxname_wire(struct slice entry, char delimiter, char *buf, size_t size)
{
	char raw[BOXNAME_MAX + 1];
	struct slice text = { raw, 0 };
	long len;

	if (entry.len == 0 || entry.len > BOXNAME_MAX || memchr(entry.ptr, '\0', entry.len) != NULL)
		return -EILSEQ;
	if (entry.len > BOXNAME_HASH_LEN && is_hash_mark(entry, entry.len - BOXNAME_HASH_LEN))
		return -EILSEQ;
	text.len = unescape(entry, raw);
	if (delimiter != '\0' && memchr(raw, delimiter, text.len) != NULL)
		return -EILSEQ;
	len = imap_mutf7_encode(text, buf, size);
	if (len == -ENAMETOOLONG)
		return len;
	if (len >= 0 && gives_entry((struct slice){ buf, (size_t)len }, entry))
		return len;
	if (text.len < size && gives_entry(text, entry)) {
		memcpy(buf, raw, text.len);
		buf[text.len] = '\0';
		return (long)text.len;
	}
	/* Not how we would write it ("%41" for "A"), but what it says is clear. */
	return len < 0 ? -EILSEQ : len;
}
