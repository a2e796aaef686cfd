/* See credentials.h. Every buffer that held a secret is wiped. */
#include "imapfs/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "imapfs/netrc.h"
#include "util/attr.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/slice.h"

#define SECRET_MAX 65536u
#define NETRC_MAX (1024u * 1024u)
#define KEEP_COMMAND_MS 60000
#define COMMAND_MS 120000 /* it may ask somebody for a passphrase */

extern char **environ;

struct credentials {
	char *user, *host, *command, *file;
	pthread_mutex_t lock;  /* held over a command or a question, so that it is asked once */
	struct secret *kept;   /* guarded by lock */
	int64_t kept_until_ms; /* guarded by lock */
	bool detached;         /* guarded by lock */
};

static int fail(char **ret_error, int err, const char *fmt, ...) ATTR_PRINTF(3, 4);

static int fail(char **ret_error, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (vasprintf(ret_error, fmt, args) < 0)
		*ret_error = NULL;
	va_end(args);
	return err;
}

static void wipe_buf(struct buf *buf)
{
	if (buf->ptr)
		secret_wipe(buf->ptr, buf->size);
	buf_release(buf);
}

/* The first line: what follows is a note in pass(1) and its like. */
static int first_line(const struct buf *buf, struct secret **ret_password)
{
	struct slice text = buf_slice(buf);
	const char *end = memchr(text.ptr, '\n', text.len);

	if (end)
		text.len = (size_t)(end - text.ptr);
	if (text.len && text.ptr[text.len - 1] == '\r')
		text.len--;
	return text.len ? secret_new(text.ptr, text.len, ret_password) : -ENODATA;
}

/* ---- a command -------------------------------------------------------------- */

/* Room first, so that the buffer never moves and leaves a copy behind. */
static int read_to_end(int fd, struct buf *buf)
{
	int64_t deadline_ms = clock_ms() + COMMAND_MS;

	if (!buf_reserve(buf, SECRET_MAX / 2))
		return -ENOMEM;
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		int64_t left_ms = deadline_ms - clock_ms();
		ssize_t got;

		if (left_ms <= 0)
			return -ETIMEDOUT;
		if (poll(&pfd, 1, (int)left_ms) <= 0)
			continue;
		if (buf->len >= SECRET_MAX / 2)
			return -EMSGSIZE;
		got = read(fd, buf->ptr + buf->len, SECRET_MAX / 2 - buf->len);
		if (got == 0)
			return 0;
		if (got > 0)
			buf_commit(buf, (size_t)got);
		else if (errno != EINTR)
			return -errno;
	}
}

static int start_command(const char *command, pid_t *ret_pid, int *ret_fd)
{
	const char *const argv[] = { "sh", "-c", command, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int fds[2], err;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	err = -posix_spawn(ret_pid, "/bin/sh", &actions, &attr, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (err)
		close(fds[0]);
	else
		*ret_fd = fds[0];
	return err;
}

static int run_command(const char *command, struct secret **ret_password, char **ret_error)
{
	int fd, err, status = 0;
	struct buf output;
	pid_t pid;

	err = start_command(command, &pid, &fd);
	if (err)
		return fail(ret_error, err, "password_command: %s", strerror(-err));
	buf_init(&output, SECRET_MAX);
	err = read_to_end(fd, &output);
	close(fd);
	if (err)
		kill(pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (err)
		fail(ret_error, err, "password_command: %s", strerror(-err));
	else if (!WIFEXITED(status) || WEXITSTATUS(status))
		err = fail(ret_error, -EACCES, "password_command failed (exit status %d)",
			   WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	else if ((err = first_line(&output, ret_password)))
		fail(ret_error, err, "password_command printed nothing");
	wipe_buf(&output);
	return err;
}

/* ---- files ------------------------------------------------------------------ */

static int read_file(const char *path, bool is_private, struct secret **ret_password,
		     char **ret_error)
{
	struct buf text;
	int err;

	buf_init(&text, SECRET_MAX);
	err = file_read(path, is_private, &text);
	if (err == -EPERM)
		fail(ret_error, err, "%s: others may read it: chmod 600 it first", path);
	else if (err)
		fail(ret_error, err, "%s: %s", path, strerror(-err));
	else if ((err = first_line(&text, ret_password)))
		fail(ret_error, err, "%s: there is no password in it", path);
	wipe_buf(&text);
	return err;
}

/* -ENOENT without a line: systemd gave none. */
static int read_credential(struct secret **ret_password, char **ret_error)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	struct buf path;
	int err;

	if (!dir || *dir != '/')
		return -ENOENT;
	buf_init(&path, 8192);
	buf_appendf(&path, "%s/imapfs.password", dir);
	if (!buf_cstr(&path) || access(path.ptr, F_OK) < 0)
		err = -ENOENT;
	else
		err = read_file(path.ptr, false, ret_password, ret_error);
	buf_release(&path);
	return err;
}

static int find_in_netrc(const char *host, const char *user, char **ret_user,
			 struct secret **ret_password, char **ret_error)
{
	const char *home = getenv("HOME");
	struct buf path, text;
	int err;

	if (!home || *home != '/')
		return -ENOENT;
	buf_init(&path, 8192);
	buf_init(&text, NETRC_MAX);
	buf_appendf(&path, "%s/.netrc", home);
	err = buf_cstr(&path) ? file_read(path.ptr, true, &text) : -ENOMEM;
	if (!err)
		err = netrc_find(buf_slice(&text), host, user, ret_user, ret_password);
	if (err == -EPERM)
		fail(ret_error, err, "%s: others may read it: chmod 600 it first", path.ptr);
	else if (err && err != -ENOENT)
		fail(ret_error, err, "%s: %s", path.ptr,
		     err == -EINVAL ? "not in the form of a .netrc" : strerror(-err));
	wipe_buf(&text);
	buf_release(&path);
	return err;
}

int credentials_netrc_user(const char *host, char **ret_user)
{
	struct secret *password = NULL;
	char *error = NULL, *user = NULL;
	int err = find_in_netrc(host, NULL, &user, &password, &error);

	secret_free(&password);
	free(error);
	if (err)
		return err;
	if (!user)
		return -ENOENT;
	*ret_user = user;
	return 0;
}

/* ---- the terminal ----------------------------------------------------------- */

static ssize_t read_line(int fd, char *line, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t got = read(fd, line + len, 1);

		if (got < 0 && errno == EINTR)
			return -EINTR;
		if (got <= 0 || line[len] == '\n')
			return got < 0 ? -errno : (ssize_t)len;
		if (line[len] == '\003')
			return -EINTR;
		len++;
	}
	return -EMSGSIZE;
}

static int ask(const char *user, const char *host, struct secret **ret_password, char **ret_error)
{
	struct termios before, quiet;
	char line[1024];
	ssize_t len;
	int fd, err;

	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || tcgetattr(fd, &before) < 0) {
		if (fd >= 0)
			close(fd);
		return fail(ret_error, -ENOENT,
			    "no password for %s@%s: use -o password_command, -o password_file or "
			    "~/.netrc (there is no terminal to ask at)",
			    user, host);
	}
	quiet = before;
	/* Ctrl-C is read as a character: a signal would leave the terminal without echo. */
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	tcsetattr(fd, TCSAFLUSH, &quiet);
	dprintf(fd, "Password for %s at %s: ", user, host);
	len = read_line(fd, line, sizeof(line));
	tcsetattr(fd, TCSAFLUSH, &before);
	dprintf(fd, "\n");
	close(fd);
	if (len <= 0)
		err = fail(ret_error, -EACCES, "no password was typed");
	else
		err = secret_new(line, (size_t)len, ret_password);
	secret_wipe(line, sizeof(line));
	return err;
}

/* ---- all of them ------------------------------------------------------------ */

static int copy_optional(char **field, const char *text)
{
	if (!text)
		return 0;
	*field = strdup(text);
	return *field ? 0 : -ENOMEM;
}

int credentials_new(const struct credentials_params *params, struct credentials **ret_credentials)
{
	struct credentials *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	if (copy_optional(&c->user, params->user) || copy_optional(&c->host, params->host) ||
	    copy_optional(&c->command, params->password_command) ||
	    copy_optional(&c->file, params->password_file)) {
		credentials_free(&c);
		return -ENOMEM;
	}
	*ret_credentials = c;
	return 0;
}

void credentials_free(struct credentials **cp)
{
	struct credentials *c = cp ? *cp : NULL;

	if (!c)
		return;
	secret_free(&c->kept);
	pthread_mutex_destroy(&c->lock);
	free(c->user);
	free(c->host);
	free(c->command);
	free(c->file);
	free(c);
	*cp = NULL;
}

void credentials_detach(struct credentials *c)
{
	pthread_mutex_lock(&c->lock);
	c->detached = true;
	pthread_mutex_unlock(&c->lock);
}

static int keep(struct credentials *c, const struct secret *password, int64_t until_ms)
{
	secret_free(&c->kept);
	c->kept_until_ms = until_ms;
	return secret_new(password->ptr, password->len, &c->kept);
}

static int get_locked(struct credentials *c, struct secret **ret_password, char **ret_error)
{
	int err;

	if (c->kept && clock_ms() < c->kept_until_ms)
		return secret_new(c->kept->ptr, c->kept->len, ret_password);
	if (c->command) {
		err = run_command(c->command, ret_password, ret_error);
		return err ? err : keep(c, *ret_password, clock_ms() + KEEP_COMMAND_MS);
	}
	if (c->file)
		return read_file(c->file, true, ret_password, ret_error);
	err = read_credential(ret_password, ret_error);
	if (err == -ENOENT)
		err = find_in_netrc(c->host, c->user, NULL, ret_password, ret_error);
	if (err != -ENOENT)
		return err;
	if (c->detached)
		return fail(ret_error, -ENOENT, "no password for %s@%s any more", c->user, c->host);
	err = ask(c->user, c->host, ret_password, ret_error);
	return err ? err : keep(c, *ret_password, INT64_MAX);
}

int credentials_get(void *user, struct secret **ret_password, char **ret_error)
{
	struct credentials *c = user;
	struct secret *password = NULL;
	int err;

	*ret_error = NULL;
	pthread_mutex_lock(&c->lock);
	err = get_locked(c, &password, ret_error);
	pthread_mutex_unlock(&c->lock);
	if (err) {
		secret_free(&password);
		return err;
	}
	*ret_password = password;
	return 0;
}
