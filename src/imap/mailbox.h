/* What servers say of mailboxes: LIST, LSUB, STATUS, NAMESPACE. */
#ifndef IMAP_MAILBOX_H
#define IMAP_MAILBOX_H

struct response;

/* All: behind the name of the response; as imap_response_read(). */
int imap_list_read(struct response *response);
int imap_lsub_read(struct response *response);
int imap_mailbox_status_read(struct response *response);
int imap_namespace_read(struct response *response);

#endif
