/*
 * Several connections share a file: each line is one write() with O_APPEND, and begins
 * with the time and the connection's number. Decides what of the server's bytes is
 * shown: lines, cut and escaped; of literals only the size.
 */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <imap/text.h>

#include "util/num.h"
#include "util/slice.h"

#define LINE_MAX_SHOWN 2000u
#define LINE_OUT (4 * LINE_MAX_SHOWN + 100)

struct trace {
	int fd;
	unsigned number;
	bool hide;
	/* the server's line so far */
	char line[LINE_MAX_SHOWN];
	size_t len, dropped;
	/* the end of the line, where a literal is announced; also when the line was cut */
	char tail[32];
	size_t tail_len;
	uint64_t literal; /* bytes of it still to come */
};

static atomic_uint trace_count;

int trace_new(const char *path, struct trace **ret_trace)
{
	struct trace *trace = calloc(1, sizeof(*trace));
	struct stat st;
	int err = 0;

	if (!trace)
		return -ENOMEM;
	trace->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	if (trace->fd < 0 || fstat(trace->fd, &st) ||
	    (S_ISREG(st.st_mode) && (st.st_mode & 077) && fchmod(trace->fd, 0600)))
		err = -errno;
	if (err) {
		trace_free(&trace);
		return err;
	}
	trace->number = atomic_fetch_add(&trace_count, 1) + 1;
	*ret_trace = trace;
	return 0;
}

void trace_free(struct trace **trace)
{
	if (!*trace)
		return;
	if ((*trace)->fd >= 0)
		close((*trace)->fd);
	free(*trace);
	*trace = NULL;
}

static void trace_line(struct trace *trace, char side, struct slice text, size_t dropped)
{
	char line[LINE_OUT];
	struct timespec now;
	struct tm utc;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	len = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &utc);
	len += (size_t)snprintf(line + len, sizeof(line) - len,
				".%03ldZ %u %c: ", now.tv_nsec / 1000000, trace->number, side);
	imap_text_escape(text, line + len, sizeof(line) - len - 40);
	len += strlen(line + len);
	if (dropped)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "... %zu more", dropped);
	line[len++] = '\n';
	/* A full disk costs the trace, not the connection. */
	if (write(trace->fd, line, len) < 0)
		return;
}

void trace_sent(struct trace *trace, struct slice masked)
{
	while (masked.len) {
		const char *end = memchr(masked.ptr, '\n', masked.len);
		size_t len = end ? (size_t)(end - masked.ptr) + 1 : masked.len;
		struct slice line = slice_trim((struct slice){ masked.ptr, len });
		size_t dropped = line.len > LINE_MAX_SHOWN ? line.len - LINE_MAX_SHOWN : 0;

		line.len -= dropped;
		trace_line(trace, 'C', line, dropped);
		masked.ptr += len;
		masked.len -= len;
	}
}

void trace_note(struct trace *trace, const char *text)
{
	trace_line(trace, '-', slice_of(text), 0);
}

void trace_hide(struct trace *trace, bool hide)
{
	trace->hide = hide;
}

/* "...{123}": a literal of so many bytes follows the line. */
static uint64_t tail_literal(const struct trace *trace)
{
	const char *open = memrchr(trace->tail, '{', trace->tail_len);
	struct slice digits;
	uint64_t size;

	if (!open || trace->tail[trace->tail_len - 1] != '}')
		return 0;
	digits = (struct slice){ open + 1, (size_t)(trace->tail + trace->tail_len - open) - 2 };
	if (digits.len && digits.ptr[digits.len - 1] == '+')
		digits.len--;
	return num_u64(digits, &size) ? 0 : size;
}

static void line_add(struct trace *trace, const char *text, size_t len)
{
	size_t room = LINE_MAX_SHOWN - trace->len;
	size_t kept = len < room ? len : room;
	size_t end = len < sizeof(trace->tail) ? len : sizeof(trace->tail);
	size_t old = sizeof(trace->tail) - end < trace->tail_len ? sizeof(trace->tail) - end
								 : trace->tail_len;

	memcpy(trace->line + trace->len, text, kept);
	trace->len += kept;
	trace->dropped += len - kept;
	memmove(trace->tail, trace->tail + trace->tail_len - old, old);
	memcpy(trace->tail + old, text + len - end, end);
	trace->tail_len = old + end;
}

static void line_end(struct trace *trace)
{
	struct slice line = { trace->line, trace->len };
	char text[48];

	while (trace->tail_len && trace->tail[trace->tail_len - 1] == '\r')
		trace->tail_len--;
	trace->literal = tail_literal(trace);
	if (trace->hide && slice_starts(line, SLICE_LIT("+ ")))
		line = SLICE_LIT("+ ***");
	line = slice_trim(line);
	trace_line(trace, 'S', line, trace->dropped);
	trace->len = trace->dropped = trace->tail_len = 0;
	if (!trace->literal)
		return;
	snprintf(text, sizeof(text), "<%" PRIu64 " bytes>", trace->literal);
	line_add(trace, text, strlen(text));
	trace->tail_len = 0;
}

void trace_received(struct trace *trace, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		const char *end;
		size_t part;

		if (trace->literal) {
			part = trace->literal < len ? (size_t)trace->literal : len;
			trace->literal -= part;
		} else {
			end = memchr(at, '\n', len);
			part = end ? (size_t)(end - at) : len;
			line_add(trace, at, part);
			if (end) {
				line_end(trace);
				part++;
			}
		}
		at += part;
		len -= part;
	}
}
