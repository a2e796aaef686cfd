/*
 * Modified UTF-7 for mailbox names (RFC 3501 §5.1.3), both ways and strict:
 * what imap_mutf7_decode() accepts, imap_mutf7_encode() gives back unchanged.
 */
#ifndef IMAP_MUTF7_H
#define IMAP_MUTF7_H

#include <stddef.h>

#include <imap/slice.h>

/* Both write at most `size` bytes, the NUL included, and return the length without it,
 * -EILSEQ for invalid input (bad base64, lone surrogates, printable ASCII inside a
 * shift, superfluous shifts; for encode: invalid UTF-8, NUL) or -ENAMETOOLONG. */
long imap_mutf7_decode(struct slice name, char *buf, size_t size);
long imap_mutf7_encode(struct slice utf8, char *buf, size_t size);

#endif
