/*
 * The cache as a whole: it opens the three databases in the order in which they depend on each other, and
 * tells about itself. The index and the bodies speak in numbers that state.db gave out; where they do not
 * fit it (another state.db, or an older copy of it), they are begun anew: a number given a second time
 * would show one mailbox's mail in another.
 */
#include "cache/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/lock.h"
#include "util/attr.h"
#include "util/file.h"
#include "util/log.h"

static int explain(char **ret_error, int r, const char *fmt, ...) ATTR_PRINTF(3, 4);
static int explain(char **ret_error, int r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (vasprintf(ret_error, fmt, args) < 0)
		*ret_error = NULL;
	va_end(args);
	return r;
}

static int open_dirs(struct cache *cache, const struct cache_params *params, char **ret_error)
{
	int holder = 0;
	int r = file_mkdirs(params->cache_dir);

	if (r < 0)
		return explain(ret_error, r, "%s: cannot be made: %s: choose another cache_dir",
			       params->cache_dir, strerror(-r));
	r = file_mkdirs(params->state_dir);
	if (r < 0)
		return explain(ret_error, r, "%s: cannot be made: %s", params->state_dir,
			       strerror(-r));
	r = lock_take(params->cache_dir, params->lock_wait_ms, &cache->lock_fd, &holder);
	if (r == -EBUSY && holder)
		return explain(ret_error, r,
			       "%s: in use by another mount (pid %d): unmount that, or give this "
			       "one a cache_dir of its own",
			       params->cache_dir, holder);
	if (r == -EBUSY)
		return explain(ret_error, r,
			       "%s: in use by another mount: unmount that, or give this one a "
			       "cache_dir of its own",
			       params->cache_dir);
	if (r < 0)
		return explain(ret_error, r, "%s/lock: %s", params->cache_dir, strerror(-r));
	return 0;
}

static int number_highest(struct db *db, unsigned int slot, const char *text, int64_t *ret_number)
{
	struct db_conn *conn;
	int r = db_read_begin(db, &conn);

	if (r < 0)
		return r;
	return db_read_end(db, conn, db_number(conn, db_statement(conn, slot, text), ret_number));
}

/* The numbers a database uses must have been given out. */
static void check_numbers(struct db *db, unsigned int slot, const char *text, int64_t last)
{
	uint64_t epoch = atomic_load(&db->epoch);
	int64_t number = 0;

	/* Where reading fails for damage, it has been replaced. */
	if (number_highest(db, slot, text, &number) == 0 && number > last)
		(void)db_replace(db, epoch, "it is newer than state.db");
}

static int open_numbers(struct cache *cache)
{
	struct db_conn *conn;
	int64_t last = 0;
	int r = db_read_begin(&cache->state, &conn);

	if (r < 0)
		return r;
	r = db_read_end(&cache->state, conn, state_number_last(conn, &last));
	if (r < 0)
		return r;
	check_numbers(&cache->index, INDEX_HIGHEST,
		      "SELECT max(coalesce((SELECT max(id) FROM mailbox), 0),"
		      " coalesce((SELECT max(box) FROM mailbox WHERE box <> 0), 0),"
		      " coalesce((SELECT box FROM message ORDER BY box DESC LIMIT 1), 0))",
		      last);
	check_numbers(&cache->bodies, BODIES_HIGHEST,
		      "SELECT coalesce((SELECT box FROM chunk ORDER BY box DESC LIMIT 1), 0)",
		      last);
	return 0;
}

/* While it is open, too: SQLite goes on with files that have no name. */
static void bodies_forget(const char *cache_dir)
{
	static const char *const files[] = { "bodies.db", "bodies.db-wal" };
	size_t i;
	char *path;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		if (asprintf(&path, "%s/%s", cache_dir, files[i]) < 0)
			continue;
		(void)unlink(path);
		free(path);
	}
}

static int open_all(struct cache *cache, const struct cache_params *params, char **ret_error)
{
	int r = open_dirs(cache, params, ret_error);

	if (r == 0)
		r = db_open(&cache->state, &schema_state, params->state_dir, 0, ret_error);
	if (r < 0)
		return r;
	if (!cache->keep)
		bodies_forget(params->cache_dir); /* a run that was killed could not */
	r = db_open(&cache->index, &schema_index, params->cache_dir, cache->state.identity,
		    ret_error);
	if (r == 0)
		r = db_open(&cache->bodies, &schema_bodies, params->cache_dir,
			    cache->state.identity, ret_error);
	if (r == 0)
		r = open_numbers(cache);
	if (r == 0)
		r = evict_init(cache);
	if (r < 0 && !*ret_error)
		return explain(ret_error, r, "%s: %s", params->cache_dir, strerror(-r));
	return r;
}

#define LIMIT_MIN (UINT64_C(8) << 20) /* a put is a few MiB, and what was put is read next */

int cache_open(const struct cache_params *params, struct cache **ret_cache, char **ret_error)
{
	struct cache *cache = calloc(1, sizeof(*cache));
	char *error = NULL;
	int r;

	*ret_error = NULL;
	if (!cache)
		return -ENOMEM;
	/* Counting every allocation under one lock is of no use here. Fails when SQLite runs already: fine. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	cache->lock_fd = -1;
	cache->keep = params->cache_size != 0;
	cache->limit = params->cache_size < LIMIT_MIN ? LIMIT_MIN : params->cache_size;
	pthread_mutex_init(&cache->use_lock, NULL);
	cache->dir = slice_dup(slice_of(params->cache_dir));
	r = cache->dir ? open_all(cache, params, &error) : -ENOMEM;
	if (r < 0) {
		cache_close(&cache);
		*ret_error = error;
		return r;
	}
	*ret_cache = cache;
	return 0;
}

void cache_close(struct cache **cache)
{
	struct cache *c = *cache;

	if (!c)
		return;
	evict_release(c);
	if (c->bodies.path && !c->keep)
		bodies_forget(c->dir);
	db_close(&c->bodies);
	db_close(&c->index);
	db_close(&c->state);
	if (c->lock_fd >= 0)
		close(c->lock_fd);
	pthread_mutex_destroy(&c->use_lock);
	free(c->dir);
	free(c);
	*cache = NULL;
}

uint64_t cache_generation(struct cache *cache)
{
	/* While it is being replaced: already what it will be. */
	return (atomic_load(&cache->index.epoch) + 1) & ~UINT64_C(1);
}

/* ---- facts --------------------------------------------------------------------- */

static uint64_t file_bytes(const char *path, const char *suffix)
{
	struct stat st;
	uint64_t bytes = 0;
	char *name;

	if (asprintf(&name, "%s%s", path, suffix) < 0)
		return 0;
	if (stat(name, &st) == 0)
		bytes = (uint64_t)st.st_size;
	free(name);
	return bytes;
}

static uint64_t db_bytes(const struct db *db)
{
	return file_bytes(db->path, "") + file_bytes(db->path, "-wal");
}

void cache_status_get(struct cache *cache, struct cache_status *ret_status)
{
	int64_t mailboxes = 0;

	(void)number_highest(&cache->index, INDEX_MAILBOX_COUNT, "SELECT count(*) FROM mailbox",
			     &mailboxes);
	*ret_status = (struct cache_status){
		.index_bytes = db_bytes(&cache->index),
		.bodies_bytes = db_bytes(&cache->bodies),
		.bodies_limit = cache->keep ? cache->limit : 0,
		.mailboxes = (uint64_t)mailboxes,
		.body_hits = atomic_load(&cache->hits),
		.body_misses = atomic_load(&cache->misses),
		.evicted = atomic_load(&cache->evicted),
		.set_aside = atomic_load(&cache->index.set_aside) +
			     atomic_load(&cache->bodies.set_aside),
	};
}
