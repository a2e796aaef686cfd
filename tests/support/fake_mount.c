/*
 * Mounts the filesystem over the fake store (fake_store.h), in the foreground.
 *
 *   fake_mount [--ro] [--debug] [--timeout MS] MOUNTPOINT   "ready" on stdout once it answers; commands
 *                                            are read from stdin, each answered by "ok" or "error"
 *   fake_mount --content UID SIZE            what the message holds
 */
#include <errno.h>
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_store.h"
#include "fs/fs.h"
#include "util/log.h"
#include "util/num.h"

static struct fs *fs;
static atomic_bool has_ended;

static void on_signal(int sig)
{
	fs_stop(fs);
}

static void on_ready(void *user)
{
	puts("ready");
	fflush(stdout);
}

/* Ends with its input: then only signals and umount are left. */
static void *run_commands(void *arg)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	struct store *store = arg;
	char line[512];

	setvbuf(stdin, NULL, _IONBF, 0); /* so that poll() sees what is left */
	while (!atomic_load(&has_ended)) {
		if (poll(&pfd, 1, 50) <= 0)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			break;
		puts(fake_store_command(store, line) ? "error" : "ok");
		fflush(stdout);
	}
	return NULL;
}

static int print_content(const char *uid_text, const char *size_text)
{
	uint64_t size;
	uint32_t uid;

	if (num_u32(slice_of(uid_text), &uid) || num_u64(slice_of(size_text), &size))
		return 2;
	for (uint64_t i = 0; i < size; i++)
		putchar(fake_store_byte(uid, i));
	return 0;
}

static int serve(const struct fs_params *params)
{
	struct store *store = NULL;
	char *error = NULL;
	pthread_t commands;
	int err;

	if (fs_new(params, &fs) || fake_store_new(fs_store_events(), fs, &store))
		return 1;
	err = fs_mount(fs, store, NULL, NULL, &error);
	if (err) {
		fprintf(stderr, "fake_mount: %s\n", error ? error : strerror(-err));
	} else {
		signal(SIGINT, on_signal);
		signal(SIGTERM, on_signal);
		if (pthread_create(&commands, NULL, run_commands, store))
			return 1;
		err = fs_loop(fs, on_ready, NULL);
		atomic_store(&has_ended, true);
		pthread_join(commands, NULL);
	}
	store_stop(store);
	fs_free(&fs);
	free(error);
	if (err)
		return 1;
	store_close(&store);
	return 0;
}

int main(int argc, char **argv)
{
	struct fs_params params = { .source = "fake://u1@localhost/",
				    .account = "u1@localhost:993",
				    .version = "test",
				    .timeout_ms = 30000,
				    .umask_bits = 022,
				    .uid = getuid(),
				    .gid = getgid() };
	int i;

	if (argc == 4 && !strcmp(argv[1], "--content"))
		return print_content(argv[2], argv[3]);
	log_open("fake_mount", false, LOG_LEVEL_WARNING);
	for (i = 1; i < argc - 1; i++) {
		uint32_t number;

		if (!strcmp(argv[i], "--ro")) {
			params.read_only = true;
		} else if (!strcmp(argv[i], "--debug")) {
			params.debug = true;
			log_open("fake_mount", false, LOG_LEVEL_DEBUG);
		} else if (!strcmp(argv[i], "--timeout") &&
			   num_u32(slice_of(argv[++i]), &number) == 0) {
			params.timeout_ms = (int)number;
		} else if (!strcmp(argv[i], "-o")) {
			params.fuse_options = argv[++i];
		} else {
			return 2;
		}
	}
	if (i >= argc)
		return 2;
	params.mountpoint = argv[i];
	return serve(&params);
}
