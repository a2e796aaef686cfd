/*
 * One command, built by typed appenders: nobody concatenates protocol text. CR, LF and
 * NUL in an argument become part of a literal or an error, never of a line.
 *
 * An appender that fails (bad argument, out of memory) marks the command; sending a
 * marked command gives that error and sends nothing. One owner thread.
 */
#ifndef IMAP_COMMAND_H
#define IMAP_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include <imap/set.h>
#include <imap/types.h>

struct imap_command;

/* `name` is the command with its fixed words, e.g. "UID FETCH"; a static string of ours. NULL when out of memory
 * (all appenders and imap_command_error() take NULL as -ENOMEM). */
struct imap_command *imap_command_new(const char *name);
void imap_command_free(struct imap_command **command);
int imap_command_error(const struct imap_command *command);

/* Each puts one space in front, except directly behind an opening parenthesis. */
void imap_command_atom(struct imap_command *command, const char *text); /* fixed words of ours */
void imap_command_astring(struct imap_command *command,
			  struct slice text); /* atom, quoted or literal, as it needs */
void imap_command_string(struct imap_command *command,
			 struct slice text); /* quoted or literal, never an atom */
void imap_command_nstring(struct imap_command *command, struct slice text); /* NIL for SLICE_NIL */
void imap_command_number(struct imap_command *command, uint64_t number);
void imap_command_set(struct imap_command *command, const struct imap_set *set);
void imap_command_flags(struct imap_command *command, uint32_t flags,
			struct slice keywords); /* ( ... ) */
void imap_command_date(struct imap_command *command, int64_t internaldate);
void imap_command_open(struct imap_command *command);  /* ( */
void imap_command_close(struct imap_command *command); /* ) */
/* An astring that traces show as ***. */
void imap_command_secret(struct imap_command *command, const void *data, size_t len);
/* What a person typed (imapfsctl imap): one line, no CR, LF, NUL. */
void imap_command_raw(struct imap_command *command, struct slice text);

#endif
