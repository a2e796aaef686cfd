/*
 * Passwords and tokens: memory that is locked where possible, not dumped, and wiped
 * when freed. Bytes, not strings (a NUL may be part); NUL-terminated beyond len.
 */
#ifndef UTIL_SECRET_H
#define UTIL_SECRET_H

#include <stddef.h>

struct secret {
	size_t len;
	char ptr[];
};

int secret_new(const void *data, size_t len, struct secret **ret_secret);
void secret_free(struct secret **secret);
void secret_wipe(void *data, size_t len); /* not optimised away */

#endif
