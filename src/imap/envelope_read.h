/* From the value tree to struct imap_envelope. */
#ifndef IMAP_ENVELOPE_READ_H
#define IMAP_ENVELOPE_READ_H

#include <imap/envelope.h>
#include <imap/value.h>

struct token;

/* 0, -EINVAL for what is no envelope, -ENOMEM, -EMSGSIZE. Allocates in the token's arena. */
int imap_envelope_read(struct token *token, const struct imap_value *value,
		       const struct imap_envelope **ret_envelope);

#endif
