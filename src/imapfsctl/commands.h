/* The commands. Each gets its own arguments and returns the exit status. */
#ifndef IMAPFSCTL_COMMANDS_H
#define IMAPFSCTL_COMMANDS_H

#include <stdbool.h>

#include "imapfs/options.h"

enum { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };

struct arguments {
	const char *words[8]; /* the command first */
	int count;
	bool json;
	struct option_list list; /* -o */
};

int command_status(const struct arguments *arguments);
int command_cache(const struct arguments *arguments);
int command_check(const struct arguments *arguments);

#endif
