/*
 * SOURCE as a person writes it: imaps://[user@]host[:port][/mailbox], imap://..., or the name of
 * a section of the config file.
 */
#ifndef IMAPFS_URL_H
#define IMAPFS_URL_H

#include <stdbool.h>

#define URL_TEXT_MAX 1024u

struct url {
	bool implicit_tls;          /* imaps:// */
	char user[URL_TEXT_MAX];    /* decoded; "" when absent */
	char host[URL_TEXT_MAX];    /* decoded; an IPv6 address without its brackets */
	char port[8];               /* "993" or "143" unless given */
	char mailbox[URL_TEXT_MAX]; /* decoded; "" when absent */
};

/* Has it a scheme? Else it is a name. */
bool url_is(const char *text);
/* 0, or -EINVAL with a line that says what is wrong with it; *ret_error is static text. A password is never in it. */
int url_parse(const char *text, struct url *ret_url, const char **ret_error);

#endif
