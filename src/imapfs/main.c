/* imapfs: from the command line to a mount, and from its end to a clean exit. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/fs.h"
#include "imapfs/account.h"
#include "imapfs/daemon.h"
#include "imapfs/options.h"
#include "imapfs/startup.h"
#include "util/log.h"

#define EXIT_USAGE 2

/* One mount a process; signal handlers need to find it. Set before they are installed. */
static struct fs *the_fs;
static volatile sig_atomic_t signalled;

struct program {
	struct options options;
	struct option_list list;
	struct account account;
	struct daemon daemon;
	struct fs *fs;
	bool is_ready; /* primer thread, then after the loop */
};

static void print_help(void)
{
	puts("Usage: imapfs [options] SOURCE MOUNTPOINT\n"
	     "Mounts an IMAP account as a filesystem; unmount with fusermount3 -u MOUNTPOINT.\n"
	     "\n"
	     "SOURCE is imaps://[user@]host[:port][/mailbox] (TLS), imap://... (STARTTLS), or "
	     "NAME, a section of\n"
	     "$XDG_CONFIG_HOME/imapfs/config.\n"
	     "\n"
	     "  -o OPTION[,OPTION...]  mount options, see below\n"
	     "  -f                     stay in the foreground, log to stderr\n"
	     "  -d                     the same, and log every request\n"
	     "  -h, --help             this text\n"
	     "  -V, --version          the version\n"
	     "\n"
	     "Mount options (and FUSE's own: allow_other, uid=N, gid=N, umask=M, auto_unmount, "
	     "...):\n"
	     "  ro                     nothing on the server changes (this version never changes "
	     "anything)\n"
	     "  names=readable|uid     how messages are named (readable)\n"
	     "  subscribed             only subscribed mailboxes\n"
	     "  password_command=CMD   prints the password; also password_file=F (mode 0600), "
	     "~/.netrc, the terminal\n"
	     "  auth=MECH              one mechanism instead of the best (auto); authzid=USER\n"
	     "  tls=implicit|starttls|off   instead of what the URL says; off on loopback "
	     "addresses alone\n"
	     "  ca_file=F, ca_dir=D    trust anchors; tls_fingerprint=sha256:HEX pins the "
	     "certificate\n"
	     "  cert=F, key=F          client certificate\n"
	     "  cache_dir=D            where index and bodies are kept "
	     "($XDG_CACHE_HOME/imapfs/ACCOUNT)\n"
	     "  cache_size=SIZE        bound for the bodies (2G)\n"
	     "  connections=N          at most so many connections (4)\n"
	     "  timeout=SECONDS        a server silent this long is given up (30)\n"
	     "  poll=SECONDS           how old a listing may be (60)\n"
	     "  offline                serve from the cache alone; =auto (the default): when the "
	     "server cannot be\n"
	     "                         reached at the mount; =no: never\n"
	     "  disable=CAP,CAP        capabilities not to be used\n"
	     "  trace=FILE             protocol trace, secrets masked");
}

static int usage_error(const char *line)
{
	log_error("%s", line ? line : "out of memory");
	return EXIT_USAGE;
}

static void on_signal(int sig)
{
	signalled = 1;
	fs_stop(the_fs);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* From here on a second signal ends us the hard way; but a session that ends may hang up more than once. */
static void release_signals(void)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
}

/* Who mounts must see it; behind a daemon's log they would not. */
static void say_offline(struct program *program)
{
	log_warning("%s", program->account.offline_note);
	if (program->daemon.fd >= 0)
		dprintf(STDERR_FILENO, "imapfs: %s\n", program->account.offline_note);
}

static void on_ready(void *user)
{
	struct program *program = user;

	program->is_ready = true;
	credentials_detach(program->account.credentials);
	log_info("mounted %s", program->account.source);
	if (program->account.offline_note)
		say_offline(program);
	if (daemon_ready(&program->daemon)) {
		log_warning("whoever asked for the mount is gone: unmounting");
		fs_stop(program->fs);
	}
}

static unsigned process_umask(void)
{
	mode_t mask = umask(077);

	umask(mask);
	return mask;
}

static int make_fs(struct program *program)
{
	struct options *options = &program->options;
	struct fs_params params = {
		.source = program->account.source,
		.mountpoint = options->mountpoint,
		.read_only = options->ro,
		.debug = options->debug,
		.timeout_ms = (int)options->timeout_s * 1000,
		.umask_bits = options->has_umask ? options->umask_bits : process_umask(),
		.uid = options->uid,
		.gid = options->gid,
		.account = program->account.key,
		.version = IMAPFS_VERSION,
	};

	/* Nothing can be written yet, and the kernel has to know it, with rw too: a write into a mapped file would stay in
	 * its page cache, for every reader to see, before anybody asked us. */
	buf_append_str(&options->fuse, options->fuse.len ? ",ro" : "ro");
	params.fuse_options = buf_cstr(&options->fuse);
	return params.fuse_options ? fs_new(&params, &program->fs) : -ENOMEM;
}

/* Serves until the end. The error line is owned. */
static int mount_and_serve(struct program *program, char **ret_error)
{
	struct account *account = &program->account;
	int err = make_fs(program);

	if (!err)
		err = fs_prepare(program->fs, ret_error);
	if (err)
		return err;
	err = account_open(account, fs_store_events(), program->fs, ret_error);
	if (err)
		return err;
	/* Before there is a mount, which must not outlive us. */
	the_fs = program->fs;
	catch_signals();
	err = fs_mount(program->fs, account->store, account->session, account->cache, ret_error);
	if (!err)
		err = fs_loop(program->fs, on_ready, program);
	release_signals();
	if (program->is_ready)
		return 0;
	if (signalled && !*ret_error)
		*ret_error = strdup("stopped by a signal before the mount was ready");
	return err ? err : -EINTR;
}

static int run(struct program *program)
{
	char *error = NULL;
	int err;

	err = daemon_start(&program->daemon, program->options.foreground);
	if (err) {
		log_error("cannot go to the background: %s", strerror(-err));
		return EXIT_FAILURE;
	}
	if (program->daemon.fd >= 0)
		log_open("imapfs", true, LOG_LEVEL_INFO);
	else
		log_open("imapfs", false,
			 program->options.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	err = mount_and_serve(program, &error);
	if (err)
		daemon_fail(&program->daemon, error ? error : strerror(-err));
	free(error);
	account_stop(&program->account);
	fs_free(&program->fs);
	account_release(&program->account);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int prepare_and_run(struct program *program)
{
	char *error = NULL;
	int err;

	if (!program->options.source || !program->options.mountpoint)
		return usage_error("needs SOURCE and MOUNTPOINT: imapfs [options] "
				   "imaps://user@host/ DIRECTORY (see --help)");
	err = account_resolve(&program->options, &program->list, &program->account, &error);
	if (err) {
		log_error("%s", error ? error : strerror(-err));
		free(error);
		return err == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
	}
	return run(program);
}

int main(int argc, char **argv)
{
	static struct program program;
	char *error = NULL;
	int status;

	/* Each arena keeps what it has; threads here hold little for long. */
	mallopt(M_ARENA_MAX, 2);
	startup();
	log_open("imapfs", false, LOG_LEVEL_WARNING);
	if (options_init(&program.options))
		return EXIT_FAILURE;
	if (options_parse_args(&program.options, &program.list, argc, argv, &error)) {
		status = usage_error(error);
	} else if (program.options.help) {
		print_help();
		status = EXIT_SUCCESS;
	} else if (program.options.version) {
		puts("imapfs " IMAPFS_VERSION);
		status = EXIT_SUCCESS;
	} else {
		status = prepare_and_run(&program);
	}
	free(error);
	option_list_release(&program.list);
	options_release(&program.options);
	return status;
}
