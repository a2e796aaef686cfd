/*
 * Bytes in, events out. No socket, no thread, no clock. The same bytes give the
 * same events however they are cut into pieces (except that BODY_DATA pieces
 * follow the cuts).
 *
 * A response that is framed right but does not parse costs that response: it comes
 * out as SKIPPED. Only what makes it impossible to find the next response is fatal:
 * a literal that is malformed or over its limit, a quoted string that does not end on
 * its line, a CR that does not end one, a response over its limit. A fatal error is
 * final. A lone LF ends a line too; NUL is dropped between responses and let through
 * in texts and strings.
 */
#ifndef IMAP_PARSER_H
#define IMAP_PARSER_H

#include <stdint.h>
#include <sys/types.h>

#include <imap/event.h>

struct imap_parser;

int imap_parser_new(imap_event_fn *fn, void *user, struct imap_parser **ret_parser);
void imap_parser_free(struct imap_parser **parser);

/* Feeds `len` bytes. Returns how many were used: all of them, or fewer when the
 * callback said stop (feed the rest again later); -EPROTO, -EMSGSIZE (a limit) or
 * -ENOMEM, after which the parser takes no more. */
ssize_t imap_parser_feed(struct imap_parser *parser, const void *data, size_t len);

/* Why it failed, for a log line; "" while it did not. Valid until free. */
const char *imap_parser_error(const struct imap_parser *parser);

/* True between responses: nothing half-read is held. */
int imap_parser_idle(const struct imap_parser *parser);

/* Responses that came out as SKIPPED, and FETCH responses with a broken item, so far. */
uint64_t imap_parser_skipped(const struct imap_parser *parser);

#endif
