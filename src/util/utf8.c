/* UTF-8 by the letter of RFC 3629. */
#include "util/utf8.h"

/* How many bytes a character that begins with `first` has, what the lead byte adds, and the
 * least value that needs that many: anything smaller is overlong. */
static size_t utf8_lead(unsigned char first, uint32_t *ret_bits, uint32_t *ret_least)
{
	if (first >= 0xc2 && first <= 0xdf) {
		*ret_bits = first & 0x1fu;
		*ret_least = 0x80;
		return 2;
	}
	if (first >= 0xe0 && first <= 0xef) {
		*ret_bits = first & 0x0fu;
		*ret_least = 0x800;
		return 3;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		*ret_bits = first & 0x07u;
		*ret_least = 0x10000;
		return 4;
	}
	return 0;
}

static bool utf8_is_character(uint32_t ch)
{
	return ch <= 0x10ffff && !(ch >= 0xd800 && ch <= 0xdfff);
}

uint32_t utf8_next(struct slice *text)
{
	const unsigned char *bytes = (const unsigned char *)text->ptr;
	uint32_t ch = bytes[0], least = 0;
	size_t len = 1;

	if (ch >= 0x80) {
		len = utf8_lead(bytes[0], &ch, &least);
		if (len == 0 || len > text->len)
			goto invalid;
		for (size_t i = 1; i < len; i++) {
			if ((bytes[i] & 0xc0) != 0x80)
				goto invalid;
			ch = ch << 6 | (bytes[i] & 0x3fu);
		}
		if (ch < least || !utf8_is_character(ch))
			goto invalid;
	}
	text->ptr += len;
	text->len -= len;
	return ch;
invalid:
	text->ptr++;
	text->len--;
	return UINT32_MAX;
}

size_t utf8_put(uint32_t ch, char buf[static 4])
{
	if (!utf8_is_character(ch))
		return 0;
	if (ch < 0x80) {
		buf[0] = (char)ch;
		return 1;
	}
	if (ch < 0x800) {
		buf[0] = (char)(0xc0 | ch >> 6);
		buf[1] = (char)(0x80 | (ch & 0x3f));
		return 2;
	}
	if (ch < 0x10000) {
		buf[0] = (char)(0xe0 | ch >> 12);
		buf[1] = (char)(0x80 | (ch >> 6 & 0x3f));
		buf[2] = (char)(0x80 | (ch & 0x3f));
		return 3;
	}
	buf[0] = (char)(0xf0 | ch >> 18);
	buf[1] = (char)(0x80 | (ch >> 12 & 0x3f));
	buf[2] = (char)(0x80 | (ch >> 6 & 0x3f));
	buf[3] = (char)(0x80 | (ch & 0x3f));
	return 4;
}

bool utf8_valid(struct slice text)
{
	while (text.len)
		if (utf8_next(&text) == UINT32_MAX)
			return false;
	return true;
}

size_t utf8_cut(struct slice text, size_t max)
{
	struct slice rest = text;
	size_t end = 0;

	if (text.len <= max)
		return text.len;
	/* Step back over at most three continuation bytes, then see what ends where. */
	end = max > 3 ? max - 3 : 0;
	while (end > 0 && ((unsigned char)text.ptr[end] & 0xc0) == 0x80 && max - end < 6)
		end--;
	rest.ptr += end;
	rest.len -= end;
	while (rest.len) {
		utf8_next(&rest);
		if ((size_t)(rest.ptr - text.ptr) > max)
			break;
		end = (size_t)(rest.ptr - text.ptr);
	}
	return end;
}
