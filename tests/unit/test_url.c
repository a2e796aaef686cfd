/* SOURCE, as people write it and as they should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants those first */
#include <cmocka.h>

#include "imapfs/url.h"
#include "util/attr.h"

static const struct good {
	const char *text, *user, *host, *port, *mailbox;
	bool implicit;
} goods[] = {
	{ "imaps://u1@mail.example/", "u1", "mail.example", "993", "", true },
	{ "imaps://mail.example", "", "mail.example", "993", "", true },
	{ "imap://u1@mail.example", "u1", "mail.example", "143", "", false },
	{ "IMAPS://u1@mail.example:1993", "u1", "mail.example", "1993", "", true },
	{ "imaps://u1%40local@localhost:9930/", "u1@local", "localhost", "9930", "", true },
	{ "imaps://u1@local@localhost", "u1@local", "localhost", "993", "", true },
	{ "imaps://u@h/INBOX", "u", "h", "993", "INBOX", true },
	{ "imaps://u@h/INBOX/Caf%C3%A9/", "u", "h", "993", "INBOX/Caf\xc3\xa9", true },
	{ "imaps://u@h/a%2Fb%20c", "u", "h", "993", "a/b c", true },
	{ "imaps://u@[::1]/", "u", "::1", "993", "", true },
	{ "imaps://u@[fe80::1%25eth0]:143/x", "u", "fe80::1%eth0", "143", "x", true },
	{ "imaps://u@127.0.0.1:65535//", "u", "127.0.0.1", "65535", "", true },
};

static const char *const bads[] = {
	"imaps://",          "imaps:///INBOX",         "imaps://u@",
	"imaps://@host",     "imaps://u:secret@host/", "imaps://u%3@host",
	"imaps://u%zz@host", "imaps://u%00@host",      "imaps://u%0d%0aX@host",
	"imaps://host:0",    "imaps://host:65536",     "imaps://host:",
	"imaps://host:99a",  "imaps://[::1",           "imaps://[::1]x",
	"imaps://host/%0a",  "http://host/",           "pop3s://host/",
};

static void understands(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
		const struct good *good = &goods[i];
		const char *error = NULL;
		struct url url;

		if (url_parse(good->text, &url, &error))
			fail_msg("%s: %s", good->text, error);
		assert_string_equal(url.user, good->user);
		assert_string_equal(url.host, good->host);
		assert_string_equal(url.port, good->port);
		assert_string_equal(url.mailbox, good->mailbox);
		assert_int_equal(url.implicit_tls, good->implicit);
	}
}

static void refuses(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		const char *error = NULL;
		struct url url;

		if (url_parse(bads[i], &url, &error) == 0)
			fail_msg("accepted: %s", bads[i]);
		assert_non_null(error);
		assert_null(strstr(error, "secret"));
	}
}

static void refuses_what_is_too_long(void **state)
{
	char text[URL_TEXT_MAX + 64];
	const char *error = NULL;
	struct url url;

	memset(text, 'a', sizeof(text));
	memcpy(text, "imaps://", 8);
	text[sizeof(text) - 1] = '\0';
	assert_int_not_equal(url_parse(text, &url, &error), 0);
}

static void tells_names_from_urls(void **state)
{
	assert_true(url_is("imaps://h"));
	assert_true(url_is("http://h"));
	assert_false(url_is("work"));
	assert_false(url_is("imaps"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(understands),
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_what_is_too_long),
		cmocka_unit_test(tells_names_from_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
