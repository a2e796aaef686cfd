/* What all streams share: the end of a stack, and words for errors. */
#include "stream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void stream_free(struct imap_stream **stream)
{
	if (*stream)
		(*stream)->ops->free(*stream);
	*stream = NULL;
}

int stream_fail(char **ret_error, int error, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	free(*ret_error);
	*ret_error = text;
	return error;
}

const char *stream_strerror(int error)
{
	switch (error < 0 ? -error : error) {
	case ECONNREFUSED: return "connection refused";
	case ECONNRESET:
	case EPIPE: return "connection reset";
	case ETIMEDOUT: return "no answer in time";
	case EHOSTUNREACH: return "no route to the host";
	case ENETUNREACH: return "the network is unreachable";
	case EACCES:
	case EPERM: return "not permitted here";
	case ENOMEM: return "out of memory";
	case EMFILE:
	case ENFILE: return "too many open files";
	default: return "the connection failed";
	}
}
