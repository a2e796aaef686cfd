/* check: logs in and says, capability by capability, what that means for a mount. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imapfs/account.h"
#include "imapfsctl/commands.h"
#include "util/attr.h"
#include "util/log.h"
#include "util/utf8.h"

static const struct remark {
	enum imap_capability cap;
	const char *with, *without; /* NULL: nothing to say */
} remarks[] = {
	{ IMAP_CAP_UIDPLUS, NULL,
	  "deleting will be careful and slow: it cannot be told which messages an expunge takes" },
	{ IMAP_CAP_CONDSTORE, "changes are found quickly",
	  "every look for changes reads all flags of the mailbox" },
	{ IMAP_CAP_QRESYNC, "removed messages are found quickly", NULL },
	{ IMAP_CAP_ESEARCH, "first listings are quick",
	  "first listings of large mailboxes are slower" },
	{ IMAP_CAP_LIST_STATUS, "all mailboxes are asked about at once",
	  "each mailbox is asked about one by one" },
	{ IMAP_CAP_IDLE, "the server can push changes", "changes are seen only by polling" },
	{ IMAP_CAP_MOVE, "moving is one step", "moving is copying and deleting" },
	{ IMAP_CAP_OBJECTID, "a moved message keeps its cached body", NULL },
	{ IMAP_CAP_SPECIAL_USE, NULL,
	  "it is not known which mailboxes are for drafts, sent mail and trash" },
	{ IMAP_CAP_UTF8_ACCEPT, NULL, NULL },
};

/* Words of the server's on a terminal: nothing that controls it. */
static void print_clean(const char *label, const char *text)
{
	struct slice rest = slice_of(text);

	printf("%-14s", label);
	while (rest.len) {
		char utf8[4];
		uint32_t ch = utf8_next(&rest);

		if (ch == UINT32_MAX || ch < 0x20 || (ch >= 0x7f && ch < 0xa0) ||
		    (ch >= 0x2028 && ch <= 0x202e) || (ch >= 0x2066 && ch <= 0x2069))
			ch = '?';
		fwrite(utf8, 1, utf8_put(ch, utf8), stdout);
	}
	putchar('\n');
}

static void print_capabilities(struct session *session)
{
	printf("%-14s", "capabilities:");
	for (int cap = 0; cap < IMAP_CAP_COUNT; cap++)
		if (session_has(session, (enum imap_capability)cap))
			printf(" %s", imap_capability_name((enum imap_capability)cap));
	puts("\n");
	for (size_t i = 0; i < ARRAY_SIZE(remarks); i++) {
		bool has = session_has(session, remarks[i].cap);
		const char *what = has ? remarks[i].with : remarks[i].without;

		if (what)
			printf("%s %-14s %s\n", has ? "+" : "-",
			       imap_capability_name(remarks[i].cap), what);
	}
}

static void print_namespaces(struct session *session)
{
	static const char *const kinds[] = { "personal", "other users", "shared" };
	struct session_namespace items[16];
	size_t count = session_namespaces(session, items, ARRAY_SIZE(items));

	for (size_t i = 0; i < count; i++) {
		char text[600];

		snprintf(text, sizeof(text), "\"%s\" with delimiter '%c' (%s)", items[i].prefix,
			 items[i].delimiter ? items[i].delimiter : ' ',
			 (size_t)items[i].kind < ARRAY_SIZE(kinds) ? kinds[items[i].kind] : "?");
		print_clean("namespace:", text);
	}
}

static int check(struct account *account, char **ret_error)
{
	struct session_status status;
	int err = account_open_session(account, ret_error);

	if (err)
		return err;
	session_status_get(account->session, &status);
	print_clean("account:", account->key);
	print_clean("server:", status.server);
	print_clean("tls:", *status.tls ? status.tls : "none");
	print_namespaces(account->session);
	print_capabilities(account->session);
	return 0;
}

int command_check(const struct arguments *arguments)
{
	struct account account = { .options = NULL };
	struct options options;
	int status = STATUS_OK, err;
	char *error = NULL;

	if (arguments->count != 2) {
		log_error("check needs one SOURCE");
		return STATUS_USAGE;
	}
	err = options_init(&options);
	options.source = arguments->words[1];
	if (!err)
		err = account_resolve(&options, &arguments->list, &account, &error);
	if (err) {
		status = STATUS_USAGE;
	} else {
		err = check(&account, &error);
		status = err ? STATUS_FAILED : STATUS_OK;
		account_release(&account);
	}
	if (err)
		log_error("%s", error ? error : strerror(-err));
	free(error);
	options_release(&options);
	return status;
}
