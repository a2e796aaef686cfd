/*
 * Framing: where a response ends. Looks at each line once, when it is complete, and
 * says whether the response ends there or a literal follows, and if one does,
 * whether it is a body to be streamed. All positions are offsets from the beginning
 * of the response, because its memory moves while it is collected.
 */
#ifndef IMAP_FRAME_H
#define IMAP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <imap/slice.h>
#include <imap/types.h>

/* What comes behind a line. */
enum frame_next {
	FRAME_END,     /* the next response */
	FRAME_INLINE,  /* a literal that is kept */
	FRAME_STREAM,  /* one that goes to the sink */
	FRAME_DISCARD, /* one that is too large to keep and no body: only its item is lost */
};

struct frame {
	size_t line; /* where the current line begins; the parser moves it over literals */
	enum { FRAME_NEW, FRAME_TEXT, FRAME_DATA, FRAME_FETCH } kind;
	/* FETCH, as far as `pos`: */
	size_t pos;
	bool lost; /* it is no longer clear what stands where: nothing is streamed */
	unsigned depth;
	size_t name, name_len; /* the item whose value comes next; length 0: none does */
	uint32_t seq;
	imap_uid uid;
};

struct frame_literal {
	uint64_t size;
	size_t header;        /* the offset of its '{' */
	struct slice section; /* STREAM: what stands between the brackets, and <origin> */
	int64_t origin;
};

/* `base[0..len)` is the response so far; its last line has just become complete (ends in LF).
 * Returns an enum frame_next, or -EPROTO or -EMSGSIZE with a static text in *ret_why. */
int frame_line(struct frame *frame, const char *base, size_t len, struct frame_literal *ret_literal,
	       const char **ret_why);

/* `base[0..len)` is the beginning of a response that is too long to be kept. For a FETCH, the offset of the item in whose value it
 * breaks off: what is before is whole. Else 0. */
size_t frame_cut(struct frame *frame, const char *base, size_t len);
/* The size of the literal that begins behind the line (without CRLF) that ends in `tail`: 1, 0 (none does), or an error as above. */
int frame_tail(struct slice tail, uint64_t *ret_size, const char **ret_why);

#endif
