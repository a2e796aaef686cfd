/* Files and directories of the user: paths, private creation, careful reading. */
#ifndef UTIL_FILE_H
#define UTIL_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"

/* mkdir -p with mode 0700 for what is new. 0 or -errno. */
int file_mkdirs(const char *path);
/* Replaces buf by the file's content. With `is_private`, -EPERM where group or others may read it. */
int file_read(const char *path, bool is_private, struct buf *buf);
/* "$XDG_x_HOME/imapfs" or "$HOME/fallback/imapfs"; `var` is e.g. "XDG_CACHE_HOME",
 * `fallback` ".cache". Owned; -ENOENT without HOME. */
int file_xdg_dir(const char *var, const char *fallback, char **ret_path);

#endif
