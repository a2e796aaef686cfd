/*
 * The filesystem: turns FUSE requests into questions to the store and the store's
 * events into notifications to the kernel.
 *
 * One loop thread reads /dev/fuse and answers what index and caches hold; what needs
 * the network goes to a pool of workers that reply later (docs/architecture.md, the
 * life of a read). Nothing here ever blocks the loop.
 */
#ifndef FS_FS_H
#define FS_FS_H

#include <stdbool.h>

#include "store/store.h"

struct fs;

struct fs_params {
	const char *
		source; /* shown in mtab: "imaps://user@host/", has a colon so that desktop tools treat it as remote */
	const char *mountpoint;
	bool read_only; /* ro: FLUSH is answered ENOSYS too: a warm read costs no request */
	const char *
		fuse_options; /* FUSE's own options as given ("allow_other,default_permissions"), or NULL */
	bool debug;           /* log every request */
	int timeout_ms;
	size_t workers; /* 0: 8 */
	unsigned umask_bits;
	unsigned uid,
		gid; /* who owns everything: the mounting user, unless uid= and gid= say otherwise */
	/* for .imapfs/status */
	const char *account; /* "u1@localhost:993" */
	const char *version;
};

/* Two steps, since the store wants its events' target first: fs_new() makes the notifier and the tables; fs_store_events()
 * is what goes into struct store_params with the fs as user. */
int fs_new(const struct fs_params *params, struct fs **ret_fs);
const struct store_events *fs_store_events(void);
/* Looks at the mount point (detaching a dead mount), /dev/fuse and FUSE's options, so that a mistake is found before a server is
 * asked for anything. 0, or -errno with one line in *ret_error. fs_mount() does it where it was not done. */
int fs_prepare(struct fs *fs, char **ret_error);
/* Mounts and primes (zero-message opens) with the store given. 0, or -errno with one line in *ret_error. A dead mount at the mount point is detached first. */
int fs_mount(struct fs *fs, struct store *store, struct session *session, struct cache *cache,
	     char **ret_error);
/* Serves until unmounted or until fs_stop(); on the thread that calls it. `ready` is called once the mount answers. */
int fs_loop(struct fs *fs, void (*ready)(void *user), void *user);
/* From a signal handler or any thread: ends fs_loop(), failing pending requests first. */
void fs_stop(struct fs *fs);
/* Unmounts if still mounted, joins threads, frees. The store must be stopped before and closed after. */
void fs_free(struct fs **fs);

#endif
