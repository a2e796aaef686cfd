/* cache info, cache clear: what lies on the disk, of one account or of all that have the usual place. */
#include "cache/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/lock.h"
#include "imapfs/account.h"
#include "imapfsctl/commands.h"
#include "util/file.h"
#include "util/log.h"

struct visit {
	bool clear, json;
	json_t *list; /* with json */
	int status;
};

/* Ours to remove: the two databases with what SQLite keeps beside them, and what was set aside. The lock stays. */
static bool is_cache_file(const char *name)
{
	return !strncmp(name, "index.db", 8) || !strncmp(name, "bodies.db", 9);
}

/* Adds up, or removes. */
static int walk_files(const char *dir, bool clear, uint64_t *ret_bytes)
{
	DIR *stream = opendir(dir);
	const struct dirent *entry;
	uint64_t bytes = 0;
	int err = 0;

	if (!stream)
		return -errno;
	while ((entry = readdir(stream))) {
		struct stat st;

		if (!is_cache_file(entry->d_name))
			continue;
		if (fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += (uint64_t)st.st_size;
		if (clear && unlinkat(dirfd(stream), entry->d_name, 0) < 0 && errno != ENOENT)
			err = -errno;
	}
	closedir(stream);
	*ret_bytes = bytes;
	return err;
}

static void report(struct visit *visit, const char *dir, uint64_t bytes, bool in_use)
{
	if (visit->json)
		json_array_append_new(
			visit->list, json_pack("{s:s%, s:I, s:b}", "directory", dir, strlen(dir),
					       "bytes", (json_int_t)bytes, "mounted", (int)in_use));
	else
		printf("%s: %.1f MiB%s\n", dir, (double)bytes / (1024 * 1024),
		       visit->clear ? " removed"
		       : in_use     ? ", mounted"
				    : "");
}

static void visit_dir(struct visit *visit, const char *dir)
{
	int fd = -1, holder = 0;
	uint64_t bytes = 0;
	struct stat st;
	int err;

	err = stat(dir, &st) < 0 ? -errno : lock_take(dir, 0, &fd, &holder);
	if (err && (err != -EBUSY || visit->clear)) {
		log_error("%s: %s", dir,
			  err == -EBUSY    ? "its account is mounted: unmount it first"
			  : err == -ENOENT ? "there is no cache"
					   : strerror(-err));
		visit->status = STATUS_FAILED;
		return;
	}
	err = walk_files(dir, visit->clear, &bytes);
	if (fd >= 0)
		close(fd);
	if (err) {
		log_error("%s: %s", dir, strerror(-err));
		visit->status = STATUS_FAILED;
	} else {
		report(visit, dir, bytes, fd < 0);
	}
}

static int visit_account(struct visit *visit, const struct arguments *arguments)
{
	struct account account;
	struct options options;
	char *error = NULL;
	int err = options_init(&options);

	options.source = arguments->words[2];
	if (!err)
		err = account_resolve(&options, &arguments->list, &account, &error);
	if (err) {
		log_error("%s", error ? error : strerror(-err));
	} else {
		visit_dir(visit, account.cache_dir);
		account_release(&account);
	}
	free(error);
	options_release(&options);
	return err ? STATUS_USAGE : visit->status;
}

static int visit_all(struct visit *visit)
{
	const struct dirent *entry;
	char *base = NULL;
	DIR *stream;
	int err = file_xdg_dir("XDG_CACHE_HOME", ".cache", &base);

	if (err) {
		log_error("HOME is not set: there is no usual place for caches");
		return STATUS_FAILED;
	}
	stream = opendir(base);
	while (stream && (entry = readdir(stream))) {
		char *dir;

		if (entry->d_name[0] == '.' || asprintf(&dir, "%s/%s", base, entry->d_name) < 0)
			continue;
		visit_dir(visit, dir);
		free(dir);
	}
	if (stream)
		closedir(stream);
	free(base);
	return visit->status;
}

int command_cache(const struct arguments *arguments)
{
	const char *verb = arguments->count > 1 ? arguments->words[1] : "info";
	struct visit visit = { .clear = !strcmp(verb, "clear"), .json = arguments->json };
	int status;

	if ((!visit.clear && strcmp(verb, "info")) || arguments->count > 3) {
		log_error("it is: cache info|clear [SOURCE]");
		return STATUS_USAGE;
	}
	if (visit.json)
		visit.list = json_array();
	status = arguments->count == 3 ? visit_account(&visit, arguments) : visit_all(&visit);
	if (visit.json) {
		json_dumpf(visit.list, stdout, JSON_INDENT(2));
		puts("");
		json_decref(visit.list);
	}
	return status;
}
