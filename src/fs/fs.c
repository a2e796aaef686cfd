/*
 * The life of a mount: made, mounted, primed, served, stopped.
 *
 * How it ends. fs_stop() raises a flag and wakes the control thread, which fails everything that waits, then
 * joins the notifier while the loop still answers (a notification may hang on a directory that some request
 * holds, and that request must be answered for it to go on), and only then makes the loop return. When the kernel ends it
 * (umount), the connection is gone and nothing can hang on it any more.
 */
#include "fs/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fs/fs_private.h"
#include "fs/negative.h"
#include "fs/notify.h"
#include "fs/request.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define WORKERS_DEFAULT 8u
#define QUEUE_MAX 65536u /* every process on the machine may wait for something */
#define TICK_MS 1000     /* how exact deadlines are */
#define WAKE_SIGNAL                                                                                \
	SIGURG /* interrupts the loop's read(2); ignored by default, so a late one does no harm */

/* ---- the store's events ----------------------------------------------------- */

static void on_listing_changed(void *user, uint64_t dir)
{
	struct fs *fs = user;

	notify_listing(fs->notify, dir);
}

static void on_entry_added(void *user, uint64_t dir, struct slice name)
{
	struct fs *fs = user;

	if (negative_appeared(fs->negative, dir, name))
		notify_entry(fs->notify, dir, name);
}

static void on_entry_removed(void *user, uint64_t dir, struct slice name, uint64_t ino)
{
	struct fs *fs = user;

	notify_entry(fs->notify, dir, name);
	/* Where the kernel has not looked the name up, forgetting it does not touch the listing. */
	notify_listing(fs->notify, dir);
}

static void on_attr_changed(void *user, uint64_t ino)
{
	struct fs *fs = user;

	notify_attr(fs->notify, ino);
}

static void on_body_arrived(void *user, struct store_body *body)
{
	struct fs *fs = user;

	notify_body(fs->notify, body);
}

const struct store_events *fs_store_events(void)
{
	static const struct store_events events = {
		.listing_changed = on_listing_changed,
		.entry_added = on_entry_added,
		.entry_removed = on_entry_removed,
		.attr_changed = on_attr_changed,
		.body_arrived = on_body_arrived,
	};

	return &events;
}

static void on_negative_evicted(void *user, uint64_t dir, struct slice name)
{
	struct fs *fs = user;

	notify_entry(fs->notify, dir, name);
}

/* ---- made and freed --------------------------------------------------------- */

static int copy_text(char **ret_copy, const char *text)
{
	*ret_copy = strdup(text ? text : "");
	return *ret_copy ? 0 : -ENOMEM;
}

static int copy_params(struct fs *fs, const struct fs_params *params)
{
	mode_t mode = ~(mode_t)params->umask_bits;

	fs->read_only = params->read_only;
	fs->debug = params->debug;
	fs->auto_unmount = params->fuse_options && strstr(params->fuse_options, "auto_unmount");
	fs->timeout_ms = params->timeout_ms > 0 ? params->timeout_ms : 30000;
	fs->worker_count = params->workers ? params->workers : WORKERS_DEFAULT;
	fs->uid = params->uid;
	fs->gid = params->gid;
	fs->file_mode = (params->read_only ? 0400 : 0600) & mode;
	fs->dir_mode = (params->read_only ? 0500 : 0700) & mode;
	if (copy_text(&fs->source, params->source) ||
	    copy_text(&fs->mountpoint, params->mountpoint) ||
	    copy_text(&fs->fuse_options, params->fuse_options) ||
	    copy_text(&fs->account, params->account) || copy_text(&fs->version, params->version))
		return -ENOMEM;
	return 0;
}

static int make_parts(struct fs *fs)
{
	int err;

	fs->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fs->wake_fd < 0)
		return -errno;
	fs->loop_buf = malloc(FS_READ_MAX);
	if (!fs->loop_buf)
		return -ENOMEM;
	err = notify_new(fs, &fs->notify);
	return err ? err : negative_new(on_negative_evicted, fs, &fs->negative);
}

int fs_new(const struct fs_params *params, struct fs **ret_fs)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	int err;

	if (!fs)
		return -ENOMEM;
	fs->wake_fd = -1;
	err = requests_init(&fs->requests);
	if (err) {
		free(fs);
		return err;
	}
	pthread_mutex_init(&fs->status_lock, NULL);
	err = copy_params(fs, params);
	if (!err)
		err = make_parts(fs);
	if (err) {
		fs_free(&fs);
		return err;
	}
	*ret_fs = fs;
	return 0;
}

void fs_free(struct fs **fsp)
{
	struct fs *fs = fsp ? *fsp : NULL;

	if (!fs)
		return;
	atomic_store(&fs->stopping, true);
	requests_fail_all(fs, true);
	fs_unmount_point(fs);
	pool_free(&fs->workers);
	notify_free(&fs->notify);
	negative_free(&fs->negative);
	if (fs->se)
		fuse_session_destroy(fs->se);
	requests_release(&fs->requests);
	fs_status_release(fs);
	pthread_mutex_destroy(&fs->status_lock);
	if (fs->wake_fd >= 0)
		close(fs->wake_fd);
	free(fs->loop_buf);
	free(fs->source);
	free(fs->mountpoint);
	free(fs->fuse_options);
	free(fs->account);
	free(fs->version);
	free(fs);
	*fsp = NULL;
}

int fs_mount(struct fs *fs, struct store *store, struct session *session, struct cache *cache,
	     char **ret_error)
{
	int err;

	fs->store = store;
	fs->session = session;
	fs->cache = cache;
	fs->mounted_s = clock_wall_s();
	*ret_error = NULL;
	err = pool_new("worker", fs->worker_count, QUEUE_MAX, &fs->workers);
	if (err) {
		*ret_error = strdup("cannot start threads");
		return err;
	}
	return fs_mount_point(fs, ret_error);
}

/* ---- stopping --------------------------------------------------------------- */

static void wake_control(struct fs *fs)
{
	uint64_t one = 1;

	/* Full means that it is being woken already. */
	if (write(fs->wake_fd, &one, sizeof(one)) < 0)
		return;
}

/* Async-signal-safe. */
void fs_stop(struct fs *fs)
{
	int saved_errno = errno;

	atomic_store(&fs->stopping, true);
	wake_control(fs);
	errno = saved_errno;
}

static void on_wake_signal(int sig)
{
	(void)sig; /* the point is that read(2) returns */
}

static void end_loop(struct fs *fs)
{
	fuse_session_exit(fs->se);
	/* The loop may be just before its read(2): once may not be enough. */
	while (!atomic_load(&fs->loop_ended)) {
		const struct timespec pause = { .tv_nsec = 5 * 1000000 };

		pthread_kill(fs->loop_thread, WAKE_SIGNAL);
		nanosleep(&pause, NULL);
	}
}

static void *control_run(void *arg)
{
	struct fs *fs = arg;

	while (!atomic_load(&fs->stopping)) {
		struct pollfd pfd = { .fd = fs->wake_fd, .events = POLLIN };
		uint64_t count;

		poll(&pfd, 1, requests_count(fs) ? TICK_MS : -1);
		if (read(fs->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN &&
		    errno != EINTR)
			break;
		requests_fail_late(fs);
	}
	requests_fail_all(fs, true);
	notify_stop(fs->notify);
	end_loop(fs);
	return NULL;
}

/* ---- serving ---------------------------------------------------------------- */

struct primer {
	struct fs *fs;
	void (*ready)(void *user);
	void *user;
};

/* Opens and closes a file and the root once, so that the kernel learns that it need not ask. Without it the first
 * file of the first program is treated differently from all others. */
static int prime(struct fs *fs)
{
	struct buf path;
	int fd, err = 0;

	buf_init(&path, 8192);
	buf_appendf(&path, "%s/.imapfs/status", fs->mountpoint);
	fd = buf_cstr(&path) ? open(path.ptr, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		err = -errno;
	else
		close(fd);
	buf_release(&path);
	if (err)
		return err;
	fd = open(fs->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void *primer_run(void *arg)
{
	struct primer *primer = arg;
	int err = prime(primer->fs);

	if (err) {
		atomic_store(&primer->fs->prime_error, err);
		if (!atomic_load(&primer->fs->stopping))
			log_error("the mount does not answer: %s", strerror(-err));
		fs_stop(primer->fs);
	} else if (primer->ready) {
		primer->ready(primer->user);
	}
	return NULL;
}

static void serve_until_end(struct fs *fs)
{
	struct fuse_buf buf = { .mem = NULL };

	while (!fuse_session_exited(fs->se)) {
		int got = fuse_session_receive_buf(fs->se, &buf);

		if (got == -EINTR)
			continue;
		if (got <= 0) {
			if (got < 0)
				log_error("reading from the kernel: %s", strerror(-got));
			break;
		}
		fuse_session_process_buf(fs->se, &buf);
	}
	free(buf.mem);
}

/* All signals are for the thread that serves. */
static int start_thread(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
	int err = pthread_create(thread, NULL, run, arg);

	if (!err)
		pthread_setname_np(*thread, name);
	return -err;
}

static int start_threads(struct fs *fs, struct primer *primer, pthread_t *control,
			 pthread_t *primer_thread)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = notify_start(fs->notify);
	if (!err)
		err = start_thread(control, "control", control_run, fs);
	if (!err) {
		err = start_thread(primer_thread, "primer", primer_run, primer);
		if (err) {
			fs_stop(fs);
			atomic_store(&fs->loop_ended, true);
			pthread_join(*control, NULL);
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

int fs_loop(struct fs *fs, void (*ready)(void *user), void *user)
{
	struct primer primer = { fs, ready, user };
	struct sigaction action = { .sa_handler = on_wake_signal }, before;
	pthread_t control, primer_thread;
	int err;

	fs->loop_thread = pthread_self();
	sigemptyset(&action.sa_mask);
	sigaction(WAKE_SIGNAL, &action, &before);
	err = start_threads(fs, &primer, &control, &primer_thread);
	if (err)
		return err;
	serve_until_end(fs);
	atomic_store(&fs->loop_ended, true);
	fs_stop(fs);
	pthread_join(control, NULL);
	fs_unmount_point(fs);
	pthread_join(primer_thread, NULL);
	sigaction(WAKE_SIGNAL, &before, NULL);
	return atomic_load(&fs->prime_error);
}
