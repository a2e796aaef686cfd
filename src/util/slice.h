/*
 * Helpers for struct slice (see imap/slice.h: it is part of libimap's face, and the
 * one header of it that util knows).
 */
#ifndef UTIL_SLICE_H
#define UTIL_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <imap/slice.h>

static inline struct slice slice_of(const char *str) /* SLICE_NIL for NULL */
{
	return (struct slice){ str, str ? strlen(str) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_eqs(struct slice a, const char *str)
{
	return slice_eq(a, slice_of(str));
}

/* ASCII case only: never the locale's. */
bool slice_caseeq(struct slice a, struct slice b);
bool slice_caseeqs(struct slice a, const char *str);
bool slice_starts(struct slice a, struct slice prefix);
bool slice_casestarts(struct slice a, const char *prefix);
/* Without leading and trailing spaces, tabs, CR and LF. */
struct slice slice_trim(struct slice a);
/* A NUL-terminated heap copy; NULL when out of memory. */
char *slice_dup(struct slice a);

#endif
