/* The protocol of one connection as a text file: for a person who asks what went wrong. */
#ifndef IMAP_TRACE_H
#define IMAP_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include <imap/slice.h>

struct trace;

/* Appends to `path`, which is for its owner's eyes alone. 0 or -errno. */
int trace_new(const char *path, struct trace **ret_trace);
void trace_free(struct trace **trace);

/* What we send, masked already. */
void trace_sent(struct trace *trace, struct slice masked);
/* What came, in any pieces. Literals show as their size. */
void trace_received(struct trace *trace, const void *data, size_t len);
/* While logging in: what the server sends in "+" lines is not shown. */
void trace_hide(struct trace *trace, bool hide);
/* A remark of our own. */
void trace_note(struct trace *trace, const char *text);

#endif
