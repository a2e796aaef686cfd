/* The config file: $XDG_CONFIG_HOME/imapfs/config, one INI section an account. */
#ifndef IMAPFS_CONFIG_H
#define IMAPFS_CONFIG_H

#include "imapfs/options.h"

/* Applies what section [name] says. 0; -ENOENT: no such file or section; -EINVAL; -errno; with an owned line. */
int config_apply(struct options *options, const char *name, char **ret_error);
/* The same from text; `path` is for the messages. */
int config_apply_text(struct options *options, const char *path, struct slice text,
		      const char *name, char **ret_error);

#endif
