/*
 * What the user wants: the command line, and what a section of the config file adds. One table holds
 * every option with its check, so that a mistake is found before anything is asked of a server.
 *
 * What this version cannot do yet is refused by name when it is asked for, and accepted when it asks for
 * what is done anyway.
 */
#ifndef IMAPFS_OPTIONS_H
#define IMAPFS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"

/* What to do when there is no server at the mount. */
enum options_offline {
	OFFLINE_AUTO, /* serve from the cache until there is one */
	OFFLINE_NO,   /* fail */
	OFFLINE_YES,  /* do not even ask */
};

struct options {
	/* the command line itself */
	const char *source, *mountpoint; /* borrowed from argv */
	bool foreground, debug, help, version;

	/* mount options; texts are owned */
	bool ro;
	char *url; /* from the config file */
	char *tls, *ca_file, *ca_dir, *tls_fingerprint, *cert, *key;
	char *auth, *authzid;
	char *password_command, *password_file;
	char *cache_dir, *trace, *disable;
	bool names_uid, subscribed;
	enum options_offline offline;
	uint64_t cache_size;
	uint32_t poll_s, connections, timeout_s;
	uint32_t uid, gid, umask_bits;
	bool has_umask;
	struct buf fuse; /* FUSE's own, comma-separated, for libfuse */
};

int options_init(struct options *options);
void options_release(struct options *options);

/* A list of "key=value,key" as given by -o, kept until the config file has been read. */
struct option_list {
	char **items; /* "key=value" or "key", unescaped */
	size_t count;
};
void option_list_release(struct option_list *list);
/* Splits at commas; "\," is a comma, and what follows disable= and looks like a capability belongs to it. */
int option_list_add(struct option_list *list, const char *text);

/* 0; -EINVAL with an owned line in *ret_error; -ENOMEM. */
int options_parse_args(struct options *options, struct option_list *list, int argc, char **argv,
		       char **ret_error);
/* One item; value NULL: the key stood alone. */
int options_apply(struct options *options, const char *key, const char *value, char **ret_error);
int options_apply_list(struct options *options, const struct option_list *list, char **ret_error);
/* What one option alone cannot see. */
int options_check(const struct options *options, char **ret_error);

#endif
