/* See encword.h. Runs of words are joined before they are converted; what does not convert costs a
 * byte. */
#include "store/encword.h"

#include <errno.h>
#include <iconv.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <gmime/gmime.h>

#include "util/utf8.h"

#define ENCWORD_CHARSET_MAX 64
#define ENCWORD_DATA_MAX 8192 /* decoded bytes of one run of words: far beyond any name */

static pthread_once_t gmime_once = PTHREAD_ONCE_INIT;

/* GMime tells of unknown charsets on stderr: those are a sender's affair, not the user's. */
static void drop_warning(const char *domain, GLogLevelFlags level, const char *message, void *user)
{
}

static void start_gmime(void)
{
	g_mime_init();
	g_log_set_handler("gmime", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE, drop_warning, NULL);
}

static void append_valid(struct slice text, struct buf *out)
{
	while (text.len > 0) {
		const char *start = text.ptr;

		if (utf8_next(&text) == UINT32_MAX)
			buf_append_str(out, "\xef\xbf\xbd");
		else
			buf_append(out, start, (size_t)(text.ptr - start));
	}
}

/* One "=?charset*lang?enc?data?=" in the sender's bytes. */
struct word {
	struct slice charset, data;
	bool base64;
	size_t len; /* of the whole */
};

static bool parse_word(struct slice text, struct word *ret_word)
{
	const char *end = text.ptr + text.len, *mark, *star, *close;

	if (text.len < 8 || text.ptr[0] != '=' || text.ptr[1] != '?')
		return false;
	mark = memchr(text.ptr + 2, '?', text.len - 2);
	if (mark == NULL || mark == text.ptr + 2 || mark - text.ptr - 2 > ENCWORD_CHARSET_MAX ||
	    end - mark < 5 || mark[2] != '?')
		return false;
	if (strchr("bBqQ", mark[1]) == NULL || mark[1] == '\0')
		return false;
	/* "?=" may stand right behind the encoding's own '?', or inside "=?...?Q??=" */
	for (close = mark + 3; close + 1 < end; close++)
		if (close[0] == '?' && close[1] == '=')
			break;
	if (close + 1 >= end)
		return false;
	ret_word->charset = (struct slice){ text.ptr + 2, (size_t)(mark - text.ptr - 2) };
	star = memchr(ret_word->charset.ptr, '*', ret_word->charset.len);
	if (star != NULL)
		ret_word->charset.len = (size_t)(star - ret_word->charset.ptr);
	ret_word->base64 = mark[1] == 'b' || mark[1] == 'B';
	ret_word->data = (struct slice){ mark + 3, (size_t)(close - mark - 3) };
	ret_word->len = (size_t)(close + 2 - text.ptr);
	return true;
}

static void append_word_bytes(const struct word *word, struct buf *bytes)
{
	GMimeEncoding state;
	char *room;

	g_mime_encoding_init_decode(&state, word->base64 ? GMIME_CONTENT_ENCODING_BASE64
							 : GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
	room = buf_reserve(bytes, g_mime_encoding_outlen(&state, word->data.len) + 4);
	if (room == NULL)
		return;
	if (word->base64) {
		buf_commit(bytes,
			   g_mime_encoding_flush(&state, word->data.ptr, word->data.len, room));
		return;
	}
	for (size_t i = 0; i < word->data.len; i++) {
		const char *c = word->data.ptr[i] == '_' ? " " : word->data.ptr + i;

		room += g_mime_encoding_step(&state, c, 1, room);
	}
	room += g_mime_encoding_flush(&state, NULL, 0, room);
	buf_commit(bytes, (size_t)(room - (bytes->ptr + bytes->len)));
}

/* What does not convert costs one byte and leaves U+FFFD. */
static void append_converted(const char *charset, struct slice bytes, struct buf *out)
{
	iconv_t cd = g_mime_iconv_open("UTF-8", charset);
	char *in = (char *)(uintptr_t)bytes.ptr, chunk[512];
	size_t left = bytes.len;

	if (cd == (iconv_t)-1) {
		append_valid(bytes, out);
		return;
	}
	/* The last round has no input: some encodings hold a character back. */
	for (bool ended = false; !ended;) {
		char *to = chunk;
		size_t room = sizeof(chunk);
		bool flush = left == 0;
		size_t r = iconv(cd, flush ? NULL : &in, &left, &to, &room);
		int error = errno;

		append_valid((struct slice){ chunk, (size_t)(to - chunk) }, out);
		if (r != (size_t)-1 || (error != E2BIG && flush)) {
			ended = flush;
		} else if (error != E2BIG) {
			buf_append_str(out, "\xef\xbf\xbd");
			in++;
			left--;
		}
	}
	g_mime_iconv_close(cd);
}

static void append_words(struct slice charset, struct slice bytes, struct buf *out)
{
	char name[ENCWORD_CHARSET_MAX + 1];

	if (slice_caseeqs(charset, "utf-8") || slice_caseeqs(charset, "us-ascii")) {
		append_valid(bytes, out);
		return;
	}
	memcpy(name, charset.ptr, charset.len);
	name[charset.len] = '\0';
	append_converted(name, bytes, out);
}

static size_t blank_len(struct slice text)
{
	size_t len = 0;

	while (len < text.len && strchr(" \t\r\n", text.ptr[len]) != NULL && text.ptr[len] != '\0')
		len++;
	return len;
}

static struct slice behind(struct slice text, size_t len)
{
	return (struct slice){ text.ptr + len, text.len - len };
}

/* Words in a row with white space alone between them are one text (RFC 2047 §6.2); of one charset
 * and encoding they are one run of bytes, since many senders cut inside a character. Returns what
 * was taken. */
static size_t decode_run(struct slice text, struct word word, struct buf *out)
{
	struct slice rest = text;
	struct word next = word;
	struct buf bytes;

	buf_init(&bytes, ENCWORD_DATA_MAX);
	while (true) {
		size_t blank;

		append_word_bytes(&next, &bytes);
		rest = behind(rest, next.len);
		blank = blank_len(rest);
		if (!parse_word(behind(rest, blank), &next))
			break;
		rest = behind(rest, blank);
		if (!slice_caseeq(next.charset, word.charset) || next.base64 != word.base64)
			break;
	}
	append_words(word.charset, buf_slice(&bytes), out);
	buf_release(&bytes);
	return text.len - rest.len;
}

void encword_decode(struct slice text, struct buf *out)
{
	if (text.len < 8 || memmem(text.ptr, text.len, "=?", 2) == NULL) {
		append_valid(text, out);
		return;
	}
	pthread_once(&gmime_once, start_gmime);
	while (text.len > 0) {
		const char *mark = memmem(text.ptr, text.len, "=?", 2);
		struct word word;
		size_t plain = mark != NULL ? (size_t)(mark - text.ptr) : text.len;

		append_valid((struct slice){ text.ptr, plain }, out);
		text = behind(text, plain);
		if (text.len == 0)
			break;
		if (parse_word(text, &word)) {
			text = behind(text, decode_run(text, word, out));
		} else {
			buf_append(out, "=?", 2);
			text = behind(text, 2);
		}
	}
}
