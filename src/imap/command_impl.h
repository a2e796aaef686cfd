/*
 * Inside of a command, for command.c (which builds) and proto.c (which sends): text in
 * pieces, so that literals can wait for the server's "+" and secrets can be masked.
 */
#ifndef IMAP_COMMAND_IMPL_H
#define IMAP_COMMAND_IMPL_H

#include <stdbool.h>

#include <imap/command.h>

#include "util/buf.h"

struct imap_request;

struct imap_piece {
	size_t start, len; /* in command.text */
	bool literal;      /* else it is part of a line */
	bool secret;
};

struct imap_command {
	struct buf text;
	struct imap_piece *pieces;
	size_t piece_count, piece_capacity;
	size_t line; /* bytes since the start, or since the last literal */
	bool glued;  /* no space in front of what comes next */
	bool secret; /* some piece is */
	int error;

	/* while the machine has it; owned by proto.c */
	struct imap_command *next;
	struct imap_request *request;
	size_t next_piece;
	bool started;
};

/* A masked word that must stand as it is (base64): no quotes. */
void imap_command_secret_atom(struct imap_command *command, struct slice text);

#endif
