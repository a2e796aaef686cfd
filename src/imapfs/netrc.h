/*
 * ~/.netrc: who logs in where. "machine HOST login USER password SECRET", in any order
 * and over any lines; "default" matches every host; "macdef" runs to an empty line; values may be
 * quoted ("a b", with \ before " and \).
 */
#ifndef IMAPFS_NETRC_H
#define IMAPFS_NETRC_H

#include "util/secret.h"
#include "util/slice.h"

/*
 * The first entry for `host` whose login is `user` (any when user is NULL or empty; an entry without a login
 * fits every user). The results are owned; ret_user may be NULL, *ret_user is NULL when the entry has no login.
 * -ENOENT: no entry with a password; -EINVAL: a quote that does not end, a word without its value.
 */
int netrc_find(struct slice text, const char *host, const char *user, char **ret_user,
	       struct secret **ret_password);

#endif
