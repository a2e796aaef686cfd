/*
 * A damaged database is renamed, not deleted: somebody may want to know what happened. It is
 * cache, though, so only the last one is kept, and that for a week.
 */
#include "cache/aside.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/num.h"
#include "util/slice.h"

#define KEEP_S (INT64_C(7) * 24 * 3600)
#define MARK ".broken-"

/* TIME out of "NAME.broken-TIME" or "NAME.broken-TIME-wal"; false: another file. */
static bool aside_time(const char *file, struct slice name, int64_t *ret_time_s)
{
	struct slice text = slice_of(file);
	uint64_t time_s;

	if (text.len < name.len || memcmp(text.ptr, name.ptr, name.len) != 0)
		return false;
	text = slice_of(file + name.len);
	if (text.len <= strlen(MARK) || memcmp(text.ptr, MARK, strlen(MARK)) != 0)
		return false;
	text = slice_of(text.ptr + strlen(MARK));
	text.len = strcspn(text.ptr, "-");
	if (num_u64(text, &time_s) < 0 || time_s > INT64_MAX)
		return false;
	*ret_time_s = (int64_t)time_s;
	return true;
}

static void aside_remove(const char *path, int64_t before_s)
{
	const char *slash = strrchr(path, '/');
	struct slice name = slice_of(slash ? slash + 1 : path);
	char *dir = slash ? slice_dup((struct slice){ path, (size_t)(slash - path) + 1 })
			  : slice_dup(SLICE_LIT("."));
	DIR *stream = dir ? opendir(dir) : NULL;
	const struct dirent *entry;
	int64_t time_s;

	while (stream && (entry = readdir(stream)))
		if (aside_time(entry->d_name, name, &time_s) && time_s < before_s)
			(void)unlinkat(dirfd(stream), entry->d_name, 0);
	if (stream)
		closedir(stream);
	free(dir);
}

int aside_put(const char *path)
{
	char *to = NULL, *log = NULL, *log_to = NULL;
	int r = -ENOMEM;

	aside_remove(path, INT64_MAX);
	if (asprintf(&to, "%s" MARK "%lld", path, (long long)clock_wall_s()) < 0)
		to = NULL;
	if (asprintf(&log, "%s-wal", path) < 0)
		log = NULL;
	if (!to || !log || asprintf(&log_to, "%s-wal", to) < 0) {
		log_to = NULL;
		goto out;
	}
	r = rename(path, to) < 0 && errno != ENOENT ? -errno : 0;
	/* The log must not be taken for that of the new database. */
	if (r == 0 && rename(log, log_to) < 0 && errno != ENOENT)
		r = unlink(log) < 0 ? -errno : 0;
out:
	free(to);
	free(log);
	free(log_to);
	return r;
}

void aside_expire(const char *path)
{
	aside_remove(path, clock_wall_s() - KEEP_S);
}
