/* OK, NO, BAD, BYE and PREAUTH with their codes and text. */
#ifndef IMAP_STATUS_H
#define IMAP_STATUS_H

#include <imap/event.h>

struct token;

/* True when the word is one of the five. */
bool imap_status_find(struct slice word, enum imap_status *ret_status);

/* resp-text: an optional code in brackets, an optional text. Never fails: what is no code is text. */
void imap_status_text(struct token *token, struct imap_event_status *status);

#endif
