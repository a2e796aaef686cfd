/*
 * Into the background, late: the daemon is forked off at the start and does everything;
 * the parent waits at a pipe for the one line that says how it went, and ends with it.
 */
#ifndef IMAPFS_DAEMON_H
#define IMAPFS_DAEMON_H

struct daemon {
	int fd; /* to the parent; -1: in the foreground, or reported already */
};

/* Forks unless `foreground`. Returns in the daemon alone; the parent exits with its result, and hands signals on until then. 0 or
 * -errno. */
int daemon_start(struct daemon *daemon, int foreground);
/* Ready: lets go of the terminal, and the parent exits 0. -EPIPE: there is no parent any more. */
int daemon_ready(struct daemon *daemon);
/* Failed: one line on the parent's stderr (on ours in the foreground). */
void daemon_fail(struct daemon *daemon, const char *line);

#endif
