/* What a peer said, for a person's eyes. */
#ifndef IMAP_TEXT_H
#define IMAP_TEXT_H

#include <stddef.h>

#include <imap/slice.h>

/* Copies `text`, NUL-terminated, cut to fit; what is not printable UTF-8, or would
 * reorder the line, comes out as \xNN. */
void imap_text_escape(struct slice text, char *buf, size_t size);

#endif
