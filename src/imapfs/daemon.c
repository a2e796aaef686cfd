/* See daemon.h. The pipe carries "R" or "E" and a line. */
#include "imapfs/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/log.h"

static pid_t the_daemon; /* in the parent, for its signal handler */

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t put = write(fd, data, len);

		if (put < 0 && errno != EINTR)
			return -errno;
		if (put > 0) {
			data += put;
			len -= (size_t)put;
		}
	}
	return 0;
}

static size_t read_all(int fd, char *data, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t got = read(fd, data + len, size - len);

		if (got == 0 || (got < 0 && errno != EINTR))
			break;
		if (got > 0)
			len += (size_t)got;
	}
	return len;
}

/* Who stops us wants no mount: the daemon dies of it or unmounts, and that ends our wait. */
static void on_signal(int sig)
{
	int saved_errno = errno;

	kill(the_daemon, sig);
	errno = saved_errno;
}

static void hand_signals_on(pid_t daemon)
{
	struct sigaction action = { .sa_handler = on_signal };

	the_daemon = daemon;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* What the line says came from below; the log's escapes are good here too. */
static _Noreturn void wait_for_daemon(int fd, pid_t pid)
{
	char text[4096];
	size_t len = read_all(fd, text, sizeof(text) - 1);
	int status = 0;

	text[len] = '\0';
	if (len && text[0] == 'R')
		_exit(0);
	if (len)
		log_error("%s", text + 1);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!len && WIFSIGNALED(status))
		log_error("ended by signal %d before the mount was ready", WTERMSIG(status));
	else if (!len)
		log_error("ended before the mount was ready");
	_exit(1);
}

int daemon_start(struct daemon *daemon, int foreground)
{
	int fds[2];
	pid_t pid;

	daemon->fd = -1;
	if (foreground)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int err = -errno;

		close(fds[0]);
		close(fds[1]);
		return err;
	}
	if (pid > 0) {
		close(fds[1]);
		hand_signals_on(pid);
		wait_for_daemon(fds[0], pid);
	}
	close(fds[0]);
	daemon->fd = fds[1];
	return 0;
}

int daemon_ready(struct daemon *daemon)
{
	int null, err;

	if (daemon->fd < 0)
		return 0;
	setsid();
	if (chdir("/") < 0)
		log_warning("cannot leave the working directory: %s", strerror(errno));
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	err = write_all(daemon->fd, "R", 1);
	close(daemon->fd);
	daemon->fd = -1;
	return err;
}

void daemon_fail(struct daemon *daemon, const char *line)
{
	if (daemon->fd < 0) {
		log_error("%s", line);
		return;
	}
	if (write_all(daemon->fd, "E", 1) == 0)
		write_all(daemon->fd, line, strlen(line));
	close(daemon->fd);
	daemon->fd = -1;
}
