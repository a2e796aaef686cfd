/* status: finds the mount that holds a path and prints what it says of itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "imapfsctl/commands.h"
#include "util/buf.h"
#include "util/file.h"
#include "util/log.h"
#include "util/num.h"
#include "util/slice.h"

/* The mount table writes blanks and backslashes as \040 and the like. */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*out++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
					(text[3] - '0'));
			text += 3;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

static struct slice next_field(struct slice *line)
{
	const char *end = memchr(line->ptr, ' ', line->len);
	struct slice field = { line->ptr, end ? (size_t)(end - line->ptr) : line->len };
	size_t used = field.len + (end != NULL);

	line->ptr += used;
	line->len -= used;
	return field;
}

static bool is_device(struct slice text, dev_t dev)
{
	const char *colon = memchr(text.ptr, ':', text.len);
	uint32_t high, low;

	return colon &&
	       num_u32((struct slice){ text.ptr, (size_t)(colon - text.ptr) }, &high) == 0 &&
	       num_u32((struct slice){ colon + 1, text.len - (size_t)(colon - text.ptr) - 1 },
		       &low) == 0 &&
	       makedev(high, low) == dev;
}

/* One line of the table, proc(5): number, parent, major:minor, root, mount point, options..., " - ", type, source. */
static int match_line(struct slice line, dev_t dev, char **ret_mountpoint)
{
	struct slice mountpoint, type = SLICE_NIL;

	next_field(&line);
	next_field(&line);
	if (!is_device(next_field(&line), dev))
		return -ENODEV;
	next_field(&line);
	mountpoint = next_field(&line);
	while (line.len && !slice_eqs(next_field(&line), "-"))
		;
	type = next_field(&line);
	if (!slice_eqs(type, "fuse.imapfs"))
		return -ENODEV;
	*ret_mountpoint = slice_dup(mountpoint);
	if (!*ret_mountpoint)
		return -ENOMEM;
	unescape(*ret_mountpoint);
	return 0;
}

/* Where the device is mounted, if it is one of ours: owned. -ENODEV: it is something else's. */
static int find_mount(dev_t dev, char **ret_mountpoint)
{
	FILE *table = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	int err = -ENODEV;
	ssize_t len;

	if (!table)
		return -errno;
	while (err == -ENODEV && (len = getline(&line, &size, table)) > 0)
		err = match_line(slice_trim((struct slice){ line, (size_t)len }), dev,
				 ret_mountpoint);
	free(line);
	fclose(table);
	return err;
}

static int print_file(const char *path)
{
	struct buf text;
	int err;

	buf_init(&text, 16u * 1024 * 1024);
	err = file_read(path, false, &text);
	if (err)
		log_error("%s: %s", path, strerror(-err));
	else
		fwrite(text.ptr, 1, text.len, stdout);
	buf_release(&text);
	return err ? STATUS_FAILED : STATUS_OK;
}

int command_status(const struct arguments *arguments)
{
	const char *path = arguments->count > 1 ? arguments->words[1] : ".";
	char *mountpoint = NULL, *file = NULL;
	struct stat st;
	int status, err;

	if (arguments->count > 2) {
		log_error("status takes one PATH");
		return STATUS_USAGE;
	}
	err = stat(path, &st) < 0 ? -errno : find_mount(st.st_dev, &mountpoint);
	if (err) {
		log_error("%s: %s", path,
			  err == -ENODEV ? "it is not in a mounted account"
			  : err == -ENOTCONN
				  ? "the mount is dead: fusermount3 -u it, and mount again"
				  : strerror(-err));
		return STATUS_FAILED;
	}
	if (asprintf(&file, "%s/.imapfs/status%s", mountpoint, arguments->json ? ".json" : "") < 0)
		file = NULL;
	status = file ? print_file(file) : STATUS_FAILED;
	free(file);
	free(mountpoint);
	return status;
}
