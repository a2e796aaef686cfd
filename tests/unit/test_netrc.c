/* ~/.netrc in the forms that curl, ftp and people write. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those first */
#include <cmocka.h>

#include "imapfs/netrc.h"
#include "util/attr.h"

static const struct row {
	const char *name, *text, *host, *user;
	int err;
	const char *login, *password; /* login NULL: none in the entry */
} rows[] = {
	{ "one line", "machine h login u password p", "h", "u", 0, "u", "p" },
	{ "many lines", "machine h\n\tlogin u\n\tpassword p\n", "h", "u", 0, "u", "p" },
	{ "password first", "machine h password p login u", "h", "u", 0, "u", "p" },
	{ "CRLF", "machine h\r\nlogin u\r\npassword p\r\n", "h", "u", 0, "u", "p" },
	{ "host in another case", "machine Mail.Example login u password p", "mail.example", "u", 0,
	  "u", "p" },
	{ "user in another case", "machine h login U password p", "h", "u", -ENOENT, NULL, NULL },
	{ "second machine", "machine a login u password x machine h login u password p", "h", "u",
	  0, "u", "p" },
	{ "second user", "machine h login a password x\nmachine h login u password p", "h", "u", 0,
	  "u", "p" },
	{ "any user", "machine h login a password x\nmachine h login u password p", "h", "", 0, "a",
	  "x" },
	{ "first of a host that repeats",
	  "machine h login u password p machine h login u password q", "h", "u", 0, "u", "p" },
	{ "without a login", "machine h password p", "h", "u", 0, NULL, "p" },
	{ "default", "machine a login u password x default login u password p", "h", "u", 0, "u",
	  "p" },
	{ "default does not stop an earlier one", "machine h login u password p default password q",
	  "h", "u", 0, "u", "p" },
	{ "no password", "machine h login u", "h", "u", -ENOENT, NULL, NULL },
	{ "no host", "machine a login u password p", "h", "u", -ENOENT, NULL, NULL },
	{ "prefix of the host", "machine h.example login u password p", "h", "u", -ENOENT, NULL,
	  NULL },
	{ "empty", "", "h", "u", -ENOENT, NULL, NULL },
	{ "blanks", " \n\t\r\n ", "h", "u", -ENOENT, NULL, NULL },
	{ "quoted", "machine h login \"u v\" password \"p \\\"q\\\\\"", "h", "u v", 0, "u v",
	  "p \"q\\" },
	{ "keyword as password", "machine h login u password machine", "h", "u", 0, "u",
	  "machine" },
	{ "keyword as quoted login", "machine h login \"password\" password p", "h", "password", 0,
	  "password", "p" },
	{ "hash in a password", "machine h login u password #p#", "h", "u", 0, "u", "#p#" },
	{ "comment", "# machine h login u password x\nmachine h login u password p # not this", "h",
	  "u", 0, "u", "p" },
	{ "macro",
	  "machine a login u password x\nmacdef init\ncd machine h login u password y\n\nmachine h "
	  "login u password p",
	  "h", "u", 0, "u", "p" },
	{ "account", "machine h login u account machine password p", "h", "u", 0, "u", "p" },
	{ "password twice", "machine h login u password x password p", "h", "u", 0, "u", "p" },
	{ "ends in a keyword", "machine h login u password", "h", "u", -EINVAL, NULL, NULL },
	{ "ends in machine", "machine", "h", "u", -EINVAL, NULL, NULL },
	{ "open quote", "machine h login u password \"p", "h", "u", -EINVAL, NULL, NULL },
	{ "open quote, escape", "machine h login u password \"p\\", "h", "u", -EINVAL, NULL, NULL },
};

static void check(const struct row *row, struct slice text)
{
	struct secret *password = NULL;
	char *login = NULL;
	int err = netrc_find(text, row->host, row->user, &login, &password);

	if (err != row->err)
		fail_msg("%s: %d instead of %d", row->name, err, row->err);
	if (!err) {
		if (!row->login != !login || (login && strcmp(login, row->login) != 0))
			fail_msg("%s: login %s", row->name, login ? login : "(none)");
		if (strcmp(password->ptr, row->password) != 0)
			fail_msg("%s: password %s", row->name, password->ptr);
	}
	free(login);
	secret_free(&password);
}

/* As an exact-size heap block: reading past the end is seen by the sanitizer. */
static void finds(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].text);
		char *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, rows[i].text, len);
		check(&rows[i], (struct slice){ copy, len });
		free(copy);
	}
}

static void survives_every_cut(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t len = 0; len < strlen(rows[i].text); len++) {
			char *copy = malloc(len ? len : 1);
			struct secret *password = NULL;

			assert_non_null(copy);
			memcpy(copy, rows[i].text, len);
			netrc_find((struct slice){ copy, len }, rows[i].host, rows[i].user, NULL,
				   &password);
			secret_free(&password);
			free(copy);
		}
}

static void refuses_a_word_without_end(void **state)
{
	struct secret *password = NULL;
	size_t len = 100000;
	char *text = malloc(len);

	assert_non_null(text);
	memset(text, 'x', len);
	memcpy(text, "machine h password ", 19);
	assert_int_equal(netrc_find((struct slice){ text, len }, "h", "u", NULL, &password),
			 -EINVAL);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),
		cmocka_unit_test(survives_every_cut),
		cmocka_unit_test(refuses_a_word_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
