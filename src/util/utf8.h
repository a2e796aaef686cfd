/* UTF-8, strictly (RFC 3629: no surrogates, no overlong forms). */
#ifndef UTIL_UTF8_H
#define UTIL_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/slice.h"

/* Takes one character off the front of *text (which must not be empty). An invalid byte is
 * taken alone and gives UINT32_MAX. */
uint32_t utf8_next(struct slice *text);
/* Writes 1..4 bytes, returns how many; 0 for what is no character. */
size_t utf8_put(uint32_t ch, char buf[static 4]);
bool utf8_valid(struct slice text);
/* The longest prefix of at most `max` bytes that does not cut a character. */
size_t utf8_cut(struct slice text, size_t max);

#endif
