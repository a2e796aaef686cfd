/*
 * The tree that the tokenizer makes of one response: atoms, numbers, strings and
 * lists. Interpreters read it; for what we have no interpreter (an unknown
 * response, BODYSTRUCTURE, METADATA) it is handed out as it is. Lives as long as
 * the event.
 */
#ifndef IMAP_VALUE_H
#define IMAP_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <imap/slice.h>

enum imap_value_type {
	IMAP_VALUE_ATOM, /* also numbers and flags: `\Seen`, `BODY[HEADER.FIELDS (FROM)]<0>`, `NIL` */
	IMAP_VALUE_STRING, /* quoted (unescaped) or literal */
	IMAP_VALUE_LIST,
	IMAP_VALUE_STREAMED, /* a body literal that went to the sink; its size is text.len, text.ptr is NULL */
};

struct imap_value {
	enum imap_value_type type;
	struct slice text;              /* ATOM, STRING */
	const struct imap_value *child; /* LIST: the first member, or NULL */
	const struct imap_value *next;  /* the next member of the same list */
};

bool imap_value_is_nil(const struct imap_value *value); /* the atom NIL, any case */
bool imap_value_is_atom(const struct imap_value *value, const char *upper); /* case-insensitive */
/* Atoms of digits alone, strictly. -EINVAL, -ERANGE. */
int imap_value_u32(const struct imap_value *value, uint32_t *ret_number);
int imap_value_u64(const struct imap_value *value, uint64_t *ret_number);
/* astring / nstring: a string, an atom's text, SLICE_NIL for NIL. -EINVAL for lists. */
int imap_value_string(const struct imap_value *value, struct slice *ret_text);

#endif
