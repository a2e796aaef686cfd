/*
 * The slice helpers that do not fit on one line. Comparison without case knows
 * ASCII alone, because protocols do: under a Turkish locale "i" is still "I".
 */
#include "util/slice.h"

#include <stdlib.h>

static unsigned char ascii_upper(char c)
{
	unsigned char u = (unsigned char)c;
	return u >= 'a' && u <= 'z' ? (unsigned char)(u - 'a' + 'A') : u;
}

static bool ascii_caseeq(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (ascii_upper(a[i]) != ascii_upper(b[i]))
			return false;
	return true;
}

bool slice_caseeq(struct slice a, struct slice b)
{
	return a.len == b.len && ascii_caseeq(a.ptr, b.ptr, a.len);
}

bool slice_caseeqs(struct slice a, const char *str)
{
	return slice_caseeq(a, slice_of(str));
}

bool slice_starts(struct slice a, struct slice prefix)
{
	return a.len >= prefix.len && slice_eq((struct slice){ a.ptr, prefix.len }, prefix);
}

bool slice_casestarts(struct slice a, const char *prefix)
{
	size_t len = strlen(prefix);

	return a.len >= len && ascii_caseeq(a.ptr, prefix, len);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice a)
{
	while (a.len && is_space(a.ptr[0])) {
		a.ptr++;
		a.len--;
	}
	while (a.len && is_space(a.ptr[a.len - 1]))
		a.len--;
	return a;
}

char *slice_dup(struct slice a)
{
	char *copy = malloc(a.len + 1);

	if (!copy)
		return NULL;
	if (a.len)
		memcpy(copy, a.ptr, a.len);
	copy[a.len] = '\0';
	return copy;
}
