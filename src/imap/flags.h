/* Flag lists: "(\Seen $Forwarded)", of FETCH, FLAGS and PERMANENTFLAGS. */
#ifndef IMAP_FLAGS_H
#define IMAP_FLAGS_H

#include <imap/event.h>

struct token;

/* 0, -EINVAL when no list of atoms stands here, -ENOMEM, -EMSGSIZE. */
int imap_flags_read(struct token *token, struct imap_event_flags *ret_flags);

#endif
