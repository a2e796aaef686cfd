/*
 * A growing byte buffer that is born with a cap. Going over the cap, or out of
 * memory, is remembered: appenders after it do nothing, and buf_error() tells once
 * at the end. One owner thread.
 */
#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include <stddef.h>

#include "util/attr.h"
#include "util/slice.h"

struct buf {
	char *ptr; /* NULL while empty */
	size_t len, size, cap;
	int error; /* 0, -ENOMEM or -EMSGSIZE */
};

void buf_init(struct buf *buf, size_t cap);
void buf_release(struct buf *buf);
void buf_clear(struct buf *buf); /* keeps the memory, forgets the error */

int buf_append(struct buf *buf, const void *data, size_t len);
int buf_append_slice(struct buf *buf, struct slice text);
int buf_append_str(struct buf *buf, const char *str);
int buf_append_char(struct buf *buf, char c);
int buf_appendf(struct buf *buf, const char *fmt, ...) ATTR_PRINTF(2, 3);
/* Room for `len` more bytes, whose address is returned; NULL on failure. Follow with
 * buf_commit() of what was used. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_commit(struct buf *buf, size_t len);
/* Drops the first `len` bytes. */
void buf_consume(struct buf *buf, size_t len);
/* NUL-terminates (not counted) and returns the text, "" when empty, NULL on error. Borrowed. */
const char *buf_cstr(struct buf *buf);
static inline struct slice buf_slice(const struct buf *buf)
{
	return (struct slice){ buf->ptr ? buf->ptr : "", buf->len };
}

#endif
