/* imapfsctl: what a person does with a mount or an account besides using it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imapfs/startup.h"
#include "imapfsctl/commands.h"
#include "util/attr.h"
#include "util/log.h"

static const struct command {
	const char *name;
	int (*run)(const struct arguments *arguments);
} commands[] = {
	{ "status", command_status },
	{ "cache", command_cache },
	{ "check", command_check },
};

static void print_help(void)
{
	puts("Usage: imapfsctl COMMAND [arguments]\n"
	     "\n"
	     "  status [PATH] [--json]               what the mount that holds PATH (.) is doing\n"
	     "  check SOURCE [-o OPTIONS]            connects, logs in, says what works and what "
	     "would be slow\n"
	     "  cache info [SOURCE] [--json]         where the cache is and how large; all "
	     "accounts without SOURCE\n"
	     "  cache clear [SOURCE]                 removes it (not that of a mounted account)\n"
	     "\n"
	     "  -o OPTION[,OPTION...]                mount options as for imapfs\n"
	     "  -h, --help                           this text\n"
	     "  -V, --version                        the version");
}

static int usage(const char *what, const char *word)
{
	log_error("%s%s (imapfsctl --help)", what, word);
	return STATUS_USAGE;
}

/* 0, or an exit status. Words that need no command are answered here. */
static int parse(struct arguments *arguments, int argc, char **argv, bool *ret_done)
{
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (!strcmp(arg, "-h") || !strcmp(arg, "--help")) {
			print_help();
			*ret_done = true;
			return 0;
		}
		if (!strcmp(arg, "-V") || !strcmp(arg, "--version")) {
			puts("imapfsctl " IMAPFS_VERSION);
			*ret_done = true;
			return 0;
		}
		if (!strcmp(arg, "--json")) {
			arguments->json = true;
		} else if (!strncmp(arg, "-o", 2)) {
			if (!arg[2] && !argv[i + 1])
				return usage("-o needs a list of options behind it", "");
			if (option_list_add(&arguments->list, arg[2] ? arg + 2 : argv[++i]))
				return usage("too many options", "");
		} else if (arg[0] == '-' && arg[1]) {
			return usage("unknown option ", arg);
		} else if (arguments->count == (int)ARRAY_SIZE(arguments->words)) {
			return usage("too many arguments", "");
		} else {
			arguments->words[arguments->count++] = arg;
		}
	}
	return 0;
}

static int run(const struct arguments *arguments)
{
	if (!arguments->count)
		return usage("needs a command", "");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, arguments->words[0]))
			return commands[i].run(arguments);
	return usage("unknown command ", arguments->words[0]);
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .count = 0 };
	bool done = false;
	int status;

	startup();
	log_open("imapfsctl", false, LOG_LEVEL_WARNING);
	status = parse(&arguments, argc, argv, &done);
	if (!status && !done)
		status = run(&arguments);
	option_list_release(&arguments.list);
	if (fflush(stdout) || ferror(stdout)) {
		log_error("writing the output failed");
		status = STATUS_FAILED;
	}
	return status;
}
