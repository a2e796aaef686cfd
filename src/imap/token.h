/*
 * The tokenizer: a cursor over one whole response, lines and inline literals. What
 * it returns points into the response (or into the arena, for quoted strings with
 * escapes) and lives as long as that. The readers fail with
 *   -EINVAL   what stands here is something else: costs the item or the response
 *   -EMSGSIZE a limit of nesting, values or memory: likewise, or the connection
 *   -EPROTO   a quoted string without end: always the connection
 *   -ENOMEM
 * and leave the cursor anywhere; copy it (it is a plain struct) to go back.
 */
#ifndef IMAP_TOKEN_H
#define IMAP_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <imap/slice.h>
#include <imap/value.h>

struct arena;

/* The header of a literal whose bytes are not in the response, in order. */
struct token_mark {
	const struct token_mark *next;
	size_t header; /* the offset of its '{' */
	uint64_t size;
};

struct token {
	const char *base, *pos, *end;   /* end: before the last CRLF */
	const struct token_mark *marks; /* those still ahead */
	struct arena *arena;
	size_t values; /* made so far */
};

/* A list that grows in the arena. */
struct token_slices {
	struct slice *items;
	size_t count, capacity;
};

bool imap_token_at_end(const struct token *token);
void imap_token_spaces(struct token *token);
/* Takes `c` if it stands here. */
bool imap_token_char(struct token *token, char c);

/* Everything up to the next space or the end; for what is read leniently. May be empty. */
struct slice imap_token_word(struct token *token);
struct slice imap_token_rest(struct token *token);
int imap_token_atom(struct token *token, struct slice *ret_text);
/* A whole number: digits, then a delimiter. */
int imap_token_u64(struct token *token, uint64_t *ret_number);
int imap_token_u32(struct token *token, uint32_t *ret_number);
/* A quoted string or a literal. */
int imap_token_string(struct token *token, struct slice *ret_text);
/* A string, or a word as it stands (mailbox names): NIL is the name "NIL". */
int imap_token_astring(struct token *token, struct slice *ret_text);
/* A literal of which only the size is known, when one stands here; else -EINVAL. */
int imap_token_streamed(struct token *token, uint64_t *ret_size);

/* One value with all that is in it. */
int imap_token_value(struct token *token, const struct imap_value **ret_value);
/* All values up to the end, possibly none (NULL). */
int imap_token_values(struct token *token, const struct imap_value **ret_first);
/* Steps over one value of any depth without keeping it. */
int imap_token_skip(struct token *token);

/* NULL sets *ret_err to -EMSGSIZE or -ENOMEM. */
void *imap_token_alloc(struct token *token, size_t size, int *ret_err);
int imap_token_slices_add(struct token *token, struct token_slices *list, struct slice text);

#endif
