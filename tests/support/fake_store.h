/*
 * A store without a server: a small tree in memory, with delays, hangs and sizes that lie,
 * so that the filesystem layer can be mounted and provoked alone. Commands, one a line:
 *
 *   delay MS             each answer that would need the network takes so long
 *   hang / resume        none comes at all, until resume (or store_stop())
 *   add BOX NAME SIZE    a new message, with its events; remove BOX NAME
 *   push BOX NAME        its body as if read-ahead had brought it
 *   forget BOX           the bodies of BOX must be fetched anew
 *   touch BOX            the listing is too old
 */
#ifndef FAKE_STORE_H
#define FAKE_STORE_H

#include "store/store.h"

int fake_store_new(const struct store_events *events, void *user, struct store **ret_store);
/* 0, or -EINVAL for what it does not know. */
int fake_store_command(struct store *store, char *line);
/* Byte `offset` of the message `uid`. */
char fake_store_byte(imap_uid uid, uint64_t offset);

#endif
