/*
 * INTERNALDATE (RFC 9051 §9 date-time), as seconds since 1970 UTC.
 */
#ifndef IMAP_DATE_H
#define IMAP_DATE_H

#include <stdint.h>

#include <imap/slice.h>

#define IMAP_DATE_SIZE 27 /* "dd-Mon-yyyy hh:mm:ss +zzzz" and NUL */

/* Accepts " 8-Feb-2024 ...", "08-Feb-..." and "8-Feb-..." with any zone; -EINVAL for
 * dates that do not exist ("00-Jan-0000"). ret_seconds may be negative. */
int imap_date_parse(struct slice text, int64_t *ret_seconds);

/* Formats in UTC ("+0000"), NUL-terminated. -ERANGE outside the years 0..9999. */
int imap_date_format(int64_t seconds, char buf[static IMAP_DATE_SIZE]);

#endif
