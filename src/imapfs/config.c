/*
 * inih parses; we see to it that it cannot misunderstand: it would take an indented line for
 * the continuation of the one above, and cut a long one silently.
 */
#include "imapfs/config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/file.h"
#include "util/slice.h"

#define CONFIG_MAX (1024u * 1024u)
#define LINE_MAX_BYTES 190u /* inih cuts at 200 where it is built with its defaults */

struct reading {
	struct options *options;
	const char *name;
	bool found;
	int err;
	char *error;
};

static int on_item(void *user, const char *section, const char *key, const char *value)
{
	struct reading *reading = user;

	if (strcmp(section, reading->name) != 0)
		return 1;
	reading->found = true;
	if (!reading->err)
		reading->err = options_apply(reading->options, key, *value ? value : NULL,
					     &reading->error);
	return !reading->err;
}

/* Left-aligned lines; -E2BIG with the number of the line in *ret_line. */
static int normalise(struct slice text, struct buf *out, int *ret_line)
{
	int line = 0;

	while (text.len) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t len = end ? (size_t)(end - text.ptr) + 1 : text.len;
		struct slice one = slice_trim((struct slice){ text.ptr, len });

		*ret_line = ++line;
		if (one.len > LINE_MAX_BYTES || memchr(one.ptr ? one.ptr : "", '\0', one.len))
			return -E2BIG;
		buf_append_slice(out, one);
		buf_append_char(out, '\n');
		text.ptr += len;
		text.len -= len;
	}
	return buf_cstr(out) ? 0 : -ENOMEM;
}

static int say(char **ret_error, int err, const char *path, int line, const char *what)
{
	int made;

	if (line)
		made = asprintf(ret_error, "%s, line %d: %s", path, line, what);
	else
		made = asprintf(ret_error, "%s: %s", path, what);
	if (made < 0)
		*ret_error = NULL;
	return err;
}

int config_apply_text(struct options *options, const char *path, struct slice text,
		      const char *name, char **ret_error)
{
	struct reading reading = { .options = options, .name = name };
	struct buf clean;
	int line = 0, err;

	buf_init(&clean, CONFIG_MAX * 2);
	err = normalise(text, &clean, &line);
	if (err) {
		buf_release(&clean);
		return say(ret_error, err == -E2BIG ? -EINVAL : err, path, line,
			   "the line is too long or not text");
	}
	line = ini_parse_string(buf_cstr(&clean), on_item, &reading);
	buf_release(&clean);
	if (reading.err) {
		err = say(ret_error, reading.err, path, line > 0 ? line : 0,
			  reading.error ? reading.error : "out of memory");
		free(reading.error);
		return err;
	}
	if (line)
		return say(ret_error, -EINVAL, path, line > 0 ? line : 0,
			   "neither [section] nor key = value");
	if (!reading.found) {
		char what[320];

		snprintf(what, sizeof(what),
			 "there is no section [%.100s] in it (and \"%.100s\" is no imaps:// URL)",
			 name, name);
		return say(ret_error, -ENOENT, path, 0, what);
	}
	return 0;
}

int config_apply(struct options *options, const char *name, char **ret_error)
{
	struct buf text, path;
	char *dir = NULL;
	int err = file_xdg_dir("XDG_CONFIG_HOME", ".config", &dir);

	if (err)
		return say(ret_error, err, name, 0,
			   "it is no imaps:// URL, and without HOME there is no config file");
	buf_init(&path, 8192);
	buf_init(&text, CONFIG_MAX);
	buf_appendf(&path, "%s/config", dir);
	free(dir);
	if (!buf_cstr(&path)) {
		buf_release(&path);
		return -ENOMEM;
	}
	err = file_read(path.ptr, false, &text);
	if (err) {
		char what[256];

		snprintf(what, sizeof(what),
			 "%s (\"%.100s\" is no imaps:// URL, so it is looked for there)",
			 strerror(-err), name);
		say(ret_error, err, path.ptr, 0, what);
	} else {
		err = config_apply_text(options, path.ptr, buf_slice(&text), name, ret_error);
	}
	buf_release(&text);
	buf_release(&path);
	return err;
}
