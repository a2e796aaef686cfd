/*
 * The growing buffer. One byte more than `cap` is allocated at most: buf_cstr()
 * must be able to terminate a full buffer.
 */
#include "util/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 64u

void buf_init(struct buf *buf, size_t cap)
{
	*buf = (struct buf){ .cap = cap };
}

void buf_release(struct buf *buf)
{
	free(buf->ptr);
	buf_init(buf, buf->cap);
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->error = 0;
}

char *buf_reserve(struct buf *buf, size_t len)
{
	size_t need, size;
	char *ptr;

	if (buf->error)
		return NULL;
	if (len > buf->cap - buf->len || len >= SIZE_MAX - buf->len) {
		buf->error = -EMSGSIZE;
		return NULL;
	}
	need = buf->len + len + 1;
	if (need <= buf->size)
		return buf->ptr + buf->len;
	size = buf->size > SIZE_MAX / 2 ? need : buf->size * 2;
	if (size < BUF_FIRST)
		size = BUF_FIRST;
	if (size < need)
		size = need;
	if (buf->cap < SIZE_MAX && size > buf->cap + 1)
		size = buf->cap + 1;
	ptr = realloc(buf->ptr, size);
	if (!ptr) {
		buf->error = -ENOMEM;
		return NULL;
	}
	buf->ptr = ptr;
	buf->size = size;
	return ptr + buf->len;
}

void buf_commit(struct buf *buf, size_t len)
{
	buf->len += len;
}

int buf_append(struct buf *buf, const void *data, size_t len)
{
	char *room = buf_reserve(buf, len);

	if (!room)
		return buf->error;
	if (len)
		memcpy(room, data, len);
	buf->len += len;
	return 0;
}

int buf_append_slice(struct buf *buf, struct slice text)
{
	return buf_append(buf, text.ptr, text.len);
}

int buf_append_str(struct buf *buf, const char *str)
{
	return buf_append(buf, str, strlen(str));
}

int buf_append_char(struct buf *buf, char c)
{
	return buf_append(buf, &c, 1);
}

int buf_appendf(struct buf *buf, const char *fmt, ...)
{
	va_list args;
	char *room;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0) {
		if (!buf->error)
			buf->error = -EMSGSIZE;
		return buf->error;
	}
	room = buf_reserve(buf, (size_t)len);
	if (!room)
		return buf->error;
	va_start(args, fmt);
	vsnprintf(room, (size_t)len + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)len;
	return 0;
}

void buf_consume(struct buf *buf, size_t len)
{
	if (len > buf->len)
		len = buf->len;
	if (len < buf->len && len)
		memmove(buf->ptr, buf->ptr + len, buf->len - len);
	buf->len -= len;
}

const char *buf_cstr(struct buf *buf)
{
	if (buf->error)
		return NULL;
	if (!buf->ptr)
		return "";
	buf->ptr[buf->len] = '\0';
	return buf->ptr;
}
