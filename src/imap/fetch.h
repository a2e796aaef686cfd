/* FETCH responses: their items, and the names of items that framing must know too. */
#ifndef IMAP_FETCH_H
#define IMAP_FETCH_H

#include <stdbool.h>
#include <stddef.h>

#include <imap/event.h>

struct token;

/* The bracket at base[at]: the offset behind the one that closes it, 0 when none does on this line
 * or another opens first. */
size_t imap_fetch_section_end(const char *base, size_t at, size_t end);

/* A name that some FETCH item has ("UID", "BODY[...]", ...). */
bool imap_fetch_is_item(struct slice name);

/* BODY[section]<origin>, BINARY[section]<origin>, RFC822, RFC822.HEADER, RFC822.TEXT: what is between the
 * brackets and the origin, or -1; -EINVAL for other names. */
int imap_fetch_section_name(struct slice name, struct slice *ret_section, int64_t *ret_origin);

/* Behind "FETCH ": reads all items. A broken one sets IMAP_FETCH_BROKEN and costs nothing else;
 * -EINVAL where there is no list of items, else fatal errors only. */
int imap_fetch_read(struct token *token, struct imap_event_fetch *fetch);

#endif
