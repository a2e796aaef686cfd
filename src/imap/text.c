/* One rule for all text of the other side that ends in an error message. */
#include <imap/text.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util/utf8.h"

static bool is_safe(uint32_t ch)
{
	if (ch < 0x20 || (ch >= 0x7f && ch < 0xa0) || ch == UINT32_MAX)
		return false;
	/* Bidirectional controls, line and paragraph separators, byte-order mark. */
	return !(ch >= 0x200b && ch <= 0x200f) && !(ch >= 0x2028 && ch <= 0x202e) &&
	       !(ch >= 0x2060 && ch <= 0x206f) && ch != 0x061c && ch != 0xfeff && ch < 0xe0000;
}

void imap_text_escape(struct slice text, char *buf, size_t size)
{
	size_t at = 0;

	while (text.len) {
		struct slice rest = text;
		bool safe = is_safe(utf8_next(&rest));
		size_t len = text.len - rest.len;

		if (at + (safe ? len : 4 * len) >= size)
			break;
		for (size_t i = 0; i < len; i++) {
			if (safe)
				buf[at++] = text.ptr[i];
			else
				at += (size_t)snprintf(buf + at, size - at, "\\x%02x",
						       (unsigned)(unsigned char)text.ptr[i]);
		}
		text = rest;
	}
	buf[at] = '\0';
}
