/* See startup.h. */
#include "imapfs/startup.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Else a socket, a database or /dev/fuse would get number 2, and the next log line would go there. */
static void open_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* At boot, from fstab(5), nobody has set it. */
static void find_home(void)
{
	const char *home = getenv("HOME");
	const struct passwd *me;

	if (home && *home == '/')
		return;
	me = getpwuid(getuid());
	if (me && me->pw_dir && *me->pw_dir == '/')
		setenv("HOME", me->pw_dir, 1);
}

void startup(void)
{
	open_standard_fds();
	find_home();
	signal(SIGPIPE, SIG_IGN);
}
