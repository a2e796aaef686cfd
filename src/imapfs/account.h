/*
 * An account put together: from options and SOURCE to an open session, cache and
 * store. The programs' one way down to the layers.
 */
#ifndef IMAPFS_ACCOUNT_H
#define IMAPFS_ACCOUNT_H

#include "imapfs/credentials.h"
#include "imapfs/options.h"
#include "imapfs/url.h"
#include "store/store.h"

struct account {
	struct options *options; /* borrowed */
	struct url url;
	char *user;                  /* never empty */
	char *key;                   /* "user@host:port" */
	char *source;                /* "imaps://user@host:port/mailbox", what mount(8) shows */
	char *cache_dir, *state_dir; /* absolute; made by account_open() */
	enum imap_tls_mode tls;
	struct credentials *credentials;
	/* open */
	struct session *session;
	struct cache *cache;
	struct store *store;
	char *offline_note; /* owned: why this begins without the server, or NULL */
};

/* Reads SOURCE (and the config file, under what -o says) and works out everything that needs no network.
 * 0, or -errno with an owned line. */
int account_resolve(struct options *options, const struct option_list *list,
		    struct account *ret_account, char **ret_error);
int account_open_session(struct account *account, char **ret_error);
/* Session, cache and store. Where the network fails and the cache knows the account, that is enough (offline=auto):
 * account->offline_note says so. */
int account_open(struct account *account, const struct store_events *events, void *events_user,
		 char **ret_error);
/* Ends all waits; then what sits on the store may be freed. */
void account_stop(struct account *account);
/* Closes what is open and frees. */
void account_release(struct account *account);

#endif
