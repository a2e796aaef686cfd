/*
 * The log. A line is formatted, escaped and written in one call, so that lines of
 * two threads never mix. What is longer than LOG_LINE_MAX is cut.
 */
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#include "util/utf8.h"

#define LOG_LINE_MAX 2048u

/* Set by log_open() before threads start, read-only afterwards. */
static const char *log_program = "imapfs";
static bool log_to_syslog;
static enum log_level log_level = LOG_LEVEL_WARNING;

void log_open(const char *program, bool use_syslog, enum log_level level)
{
	log_program = program;
	log_to_syslog = use_syslog;
	log_level = level;
	if (use_syslog)
		openlog(program, LOG_PID, LOG_DAEMON);
}

/* What may not reach a terminal: C0, DEL, C1, line separators, and the bidirectional controls
 * with which a server could make a line read as something else. */
static bool is_unsafe(uint32_t ch)
{
	return ch < 0x20 || (ch >= 0x7f && ch < 0xa0) || ch == 0x200e || ch == 0x200f ||
	       (ch >= 0x2028 && ch <= 0x202e) || (ch >= 0x2066 && ch <= 0x2069);
}

static size_t escape(struct slice text, char *out, size_t size)
{
	size_t len = 0;

	while (text.len && size - len > 16) {
		const char *start = text.ptr;
		uint32_t ch = utf8_next(&text);

		if (ch == UINT32_MAX)
			len += (size_t)snprintf(out + len, size - len, "\\x%02x",
						(unsigned)(unsigned char)*start);
		else if (is_unsafe(ch))
			len += (size_t)snprintf(out + len, size - len,
						ch < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)ch);
		else
			while (start < text.ptr)
				out[len++] = *start++;
	}
	return len;
}

static void write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t put = write(fd, data, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return;
		data += put;
		len -= (size_t)put;
	}
}

static void write_stderr(enum log_level level, struct slice text)
{
	static const char *const words[] = { "", "warning: ", "", "debug: " };
	char line[LOG_LINE_MAX * 2];
	int head = snprintf(line, 256, "%s: %s", log_program, words[level]);
	size_t len = head < 0 ? 0 : head > 255 ? 255 : (size_t)head;

	len += escape(text, line + len, sizeof(line) - len - 1);
	line[len++] = '\n';
	write_all(STDERR_FILENO, line, len);
}

static void write_syslog(enum log_level level, struct slice text)
{
	static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	char line[LOG_LINE_MAX * 2];
	size_t len = escape(text, line, sizeof(line));

	syslog(priorities[level], "%.*s", (int)len, line);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	int saved_errno = errno;
	char text[LOG_LINE_MAX];
	struct slice line;
	va_list args;
	int len;

	if (level > log_level)
		return;
	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len < 0)
		return;
	line = (struct slice){ text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1 };
	if (log_to_syslog)
		write_syslog(level, line);
	else
		write_stderr(level, line);
	errno = saved_errno;
}
