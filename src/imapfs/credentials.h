/*
 * Where the password comes from, the first that applies: password_command, password_file,
 * systemd's $CREDENTIALS_DIRECTORY/imapfs.password, ~/.netrc, the terminal.
 *
 * Files are read anew for each login, so that a changed password is found. What a command printed is kept for a
 * minute (a pool of connections must not run it once each), what was typed for as long as the mount lives.
 * Threads: any may ask.
 */
#ifndef IMAPFS_CREDENTIALS_H
#define IMAPFS_CREDENTIALS_H

#include "util/secret.h"

struct credentials;

struct credentials_params {
	const char *user, *host;                      /* user may be "": ~/.netrc may know */
	const char *password_command, *password_file; /* or NULL */
};

int credentials_new(const struct credentials_params *params, struct credentials **ret_credentials);
void credentials_free(struct credentials **credentials);
/* The user's name as ~/.netrc has it for the host: owned; -ENOENT. */
int credentials_netrc_user(const char *host, char **ret_user);
/* From here on nobody sits at a terminal. */
void credentials_detach(struct credentials *credentials);
/* In the shape of session_params.password. 0; -errno with an owned line. */
int credentials_get(void *user, struct secret **ret_password, char **ret_error);

#endif
