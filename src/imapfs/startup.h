/*
 * What a program may rely on although whoever started it did not see to it: open descriptors
 * 0, 1 and 2, a HOME, and a peer's closed connection that is an error and no signal.
 */
#ifndef IMAPFS_STARTUP_H
#define IMAPFS_STARTUP_H

/* First thing in main(), before there are files and threads. */
void startup(void);

#endif
