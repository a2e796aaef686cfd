/*
 * Modified UTF-7 (RFC 3501 §5.1.3), canonical form alone: '&' opens a run of
 * base64 (',' for '/', no padding) of UTF-16BE, '-' closes it; "&-" is '&'. Each
 * name has one spelling, so decoding and encoding undo each other.
 */
#include <imap/mutf7.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "util/utf8.h"

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

struct output {
	char *ptr;
	size_t len, size; /* size counts the NUL */
};

static bool put(struct output *out, const char *data, size_t len)
{
	if (len >= out->size - out->len)
		return false;
	memcpy(out->ptr + out->len, data, len);
	out->len += len;
	return true;
}

static bool put_char(struct output *out, char c)
{
	return put(out, &c, 1);
}

/* What stands for itself. */
static bool is_direct(uint32_t ch)
{
	return ch >= 0x20 && ch <= 0x7e;
}

static int base64_value(char c)
{
	const char *digit = c ? strchr(base64_digits, c) : NULL;

	return digit ? (int)(digit - base64_digits) : -1;
}

/* ---- decoding --------------------------------------------------------------- */

/* One UTF-16 unit; `*high` is the high surrogate that waits for its other half. */
static long decode_unit(uint32_t unit, uint32_t *high, struct output *out)
{
	char utf8[4];
	uint32_t ch = unit;

	if (*high) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return -EILSEQ;
		ch = 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00);
		*high = 0;
	} else if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return 0;
	}
	if (ch == 0 || is_direct(ch) || (ch >= 0xdc00 && ch <= 0xdfff))
		return -EILSEQ;
	return put(out, utf8, utf8_put(ch, utf8)) ? 0 : -ENAMETOOLONG;
}

/* Behind the '&' of a shift that is not "&-"; takes the closing '-'. */
static long decode_shift(struct slice *name, struct output *out)
{
	uint32_t bits = 0, high = 0;
	unsigned count = 0;
	bool any = false;

	while (name->len && name->ptr[0] != '-') {
		int value = base64_value(name->ptr[0]);

		if (value < 0)
			return -EILSEQ;
		bits = (bits << 6 | (uint32_t)value) & 0x3fffff;
		count += 6;
		if (count >= 16) {
			long err = decode_unit(bits >> (count - 16) & 0xffff, &high, out);

			if (err)
				return err;
			count -= 16;
			any = true;
		}
		name->ptr++;
		name->len--;
	}
	/* Whole units, no half pair, and padding of less than a digit that is zero. */
	if (name->len == 0 || !any || high || count >= 6 || (bits & ((1u << count) - 1)))
		return -EILSEQ;
	name->ptr++;
	name->len--;
	return 0;
}

long imap_mutf7_decode(struct slice name, char *buf, size_t size)
{
	struct output out = { buf, 0, size };
	bool after_shift = false;

	if (size == 0)
		return -ENAMETOOLONG;
	while (name.len) {
		char c = name.ptr[0];
		bool shift = c == '&' && !(name.len > 1 && name.ptr[1] == '-');
		long err = 0;

		/* Two runs in a row: the canonical form is one. */
		if (!is_direct((unsigned char)c) || (shift && after_shift))
			return -EILSEQ;
		name.ptr += c == '&' && !shift ? 2 : 1;
		name.len -= c == '&' && !shift ? 2 : 1;
		if (shift)
			err = decode_shift(&name, &out);
		else if (!put_char(&out, c))
			err = -ENAMETOOLONG;
		if (err)
			return err;
		after_shift = shift;
	}
	buf[out.len] = '\0';
	return (long)out.len;
}

/* ---- encoding --------------------------------------------------------------- */

struct encoder {
	struct output out;
	bool shifted;
	uint32_t bits;
	unsigned count; /* of bits not yet written, < 6 between calls */
};

static bool encode_bits(struct encoder *enc, uint32_t unit)
{
	enc->bits = enc->bits << 16 | unit;
	enc->count += 16;
	while (enc->count >= 6) {
		enc->count -= 6;
		if (!put_char(&enc->out, base64_digits[enc->bits >> enc->count & 63]))
			return false;
	}
	return true;
}

static bool encode_close(struct encoder *enc)
{
	if (!enc->shifted)
		return true;
	enc->shifted = false;
	if (enc->count && !put_char(&enc->out, base64_digits[enc->bits << (6 - enc->count) & 63]))
		return false;
	return put_char(&enc->out, '-');
}

static bool encode_shifted(struct encoder *enc, uint32_t ch)
{
	if (!enc->shifted) {
		enc->shifted = true;
		enc->bits = 0;
		enc->count = 0;
		if (!put_char(&enc->out, '&'))
			return false;
	}
	if (ch < 0x10000)
		return encode_bits(enc, ch);
	ch -= 0x10000;
	return encode_bits(enc, 0xd800 + (ch >> 10)) && encode_bits(enc, 0xdc00 + (ch & 0x3ff));
}

static bool encode_direct(struct encoder *enc, char c)
{
	return encode_close(enc) && put(&enc->out, c == '&' ? "&-" : &c, c == '&' ? 2 : 1);
}

long imap_mutf7_encode(struct slice utf8, char *buf, size_t size)
{
	struct encoder enc = { .out = { buf, 0, size } };

	if (size == 0)
		return -ENAMETOOLONG;
	while (utf8.len) {
		uint32_t ch = utf8_next(&utf8);

		if (ch == UINT32_MAX || ch == 0)
			return -EILSEQ;
		if (!(is_direct(ch) ? encode_direct(&enc, (char)ch) : encode_shifted(&enc, ch)))
			return -ENAMETOOLONG;
	}
	if (!encode_close(&enc))
		return -ENAMETOOLONG;
	buf[enc.out.len] = '\0';
	return (long)enc.out.len;
}
