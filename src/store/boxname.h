/*
 * Names of mailboxes as directory entries, and back. One component of the hierarchy at
 * a time; the tree splits the wire name by the server's delimiter.
 *
 * An entry is UTF-8 with %XX for what a path cannot hold or what would deceive: '/', a
 * leading '.', control characters (bidi controls among them), '%' before two hex digits.
 * A component that is not valid modified UTF-7 shows its raw bytes, with more of them
 * escaped, so that it never looks like another one and can be turned back.
 */
#ifndef STORE_BOXNAME_H
#define STORE_BOXNAME_H

#include <stddef.h>
#include <stdint.h>

#include "util/slice.h"

#define BOXNAME_MAX 255 /* NAME_MAX: bytes of an entry */

/* One wire component to its entry, NUL-terminated; returns the length (0 for an empty one). Over
 * 255 bytes it is cut and gets "%~" and 8 hex digits of a hash of `wire`. */
size_t boxname_entry(struct slice wire, char entry[static BOXNAME_MAX + 1]);
/* The same, always with the hash: for an entry that a sibling has already. */
size_t boxname_entry_hashed(struct slice wire, char entry[static BOXNAME_MAX + 1]);
/* The component decoded for people (user.imap.name): UTF-8, raw bytes as in the entry where it does
 * not decode. Returns the length, or -ENAMETOOLONG. */
long boxname_text(struct slice wire, char *buf, size_t size);
/* What a new directory would be called on the wire; NUL-terminated, its length, -EILSEQ for what no
 * mailbox can be called ("", cut names, invalid UTF-8), -ENAMETOOLONG. The delimiter in an entry is
 * -EILSEQ too. */
long boxname_wire(struct slice entry, char delimiter, char *buf, size_t size);

#endif
