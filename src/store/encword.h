/*
 * Header values with RFC 2047 encoded words, to UTF-8. Base64, quoted-printable and the
 * names of charsets are GMime's; the words are cut here because GMime turns bytes that do
 * not convert into '?', and we want U+FFFD.
 */
#ifndef STORE_ENCWORD_H
#define STORE_ENCWORD_H

#include "util/buf.h"
#include "util/slice.h"

/* Appends `text` decoded. Always valid UTF-8 (bytes that mean nothing: U+FFFD); NULs stay. Any
 * thread. */
void encword_decode(struct slice text, struct buf *out);

#endif
