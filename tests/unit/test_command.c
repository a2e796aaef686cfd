/* What commands look like on the wire: seen through the machine that sends them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <imap/limits.h>
#include <imap/proto.h>

#include "util/attr.h"
#include "util/slice.h"

static char traced[65536];

static void trace(void *user, struct slice masked)
{
	strncat(traced, masked.ptr,
		masked.len < sizeof(traced) - strlen(traced) - 1
			? masked.len
			: sizeof(traced) - strlen(traced) - 1);
}

/* Sends it with LITERAL+ offered; the line without its tag. */
static char *wire(struct imap_command **command, int *ret_error)
{
	struct imap_request request = { .done = false };
	struct imap_proto *proto;
	struct slice out;
	char *text;

	traced[0] = '\0';
	assert_int_equal(imap_proto_new(NULL, NULL, &proto), 0);
	imap_proto_trace(proto, trace, NULL);
	imap_capabilities_add(imap_proto_capabilities(proto), SLICE_LIT("LITERAL+"));
	*ret_error = imap_proto_send(proto, command, &request);
	assert_null(*command);
	out = imap_proto_output(proto);
	if (out.len) {
		const char *space = memchr(out.ptr, ' ', out.len);

		assert_non_null(space);
		out.len -= (size_t)(space + 1 - out.ptr);
		out.ptr = space + 1;
	}
	text = slice_dup(out);
	imap_proto_free(&proto);
	return text;
}

static void expect(struct imap_command *command, const char *expected)
{
	char *text;
	int err;

	text = wire(&command, &err);
	assert_int_equal(err, 0);
	assert_string_equal(text, expected);
	free(text);
}

static void expect_error(struct imap_command *command, int expected)
{
	char *text;
	int err;

	text = wire(&command, &err);
	assert_int_equal(err, expected);
	assert_string_equal(text, "");
	free(text);
}

static void astring_takes_the_form_it_needs(void **state)
{
	static const struct {
		const char *name;
		struct slice text;
		const char *expected;
	} cases[] = {
		{ "atom", SLICE_LIT("INBOX"), "X INBOX\r\n" },
		{ "path", SLICE_LIT("a/b.c-d_e"), "X a/b.c-d_e\r\n" },
		{ "empty", SLICE_LIT(""), "X \"\"\r\n" },
		{ "nil is a name", SLICE_LIT("nil"), "X \"nil\"\r\n" },
		{ "space", SLICE_LIT("a b"), "X \"a b\"\r\n" },
		{ "wildcard", SLICE_LIT("a*"), "X \"a*\"\r\n" },
		{ "parenthesis", SLICE_LIT("a)"), "X \"a)\"\r\n" },
		{ "quote", SLICE_LIT("a\"b\\c"), "X \"a\\\"b\\\\c\"\r\n" },
		{ "only quotes", SLICE_LIT("\"\\\""), "X \"\\\"\\\\\\\"\"\r\n" },
		{ "literal announcement", SLICE_LIT("x {5+}"), "X \"x {5+}\"\r\n" },
		{ "line break", SLICE_LIT("a\r\nX DELETE INBOX"),
		  "X {17+}\r\na\r\nX DELETE INBOX\r\n" },
		{ "eight bits", SLICE_LIT("\xc3\xa9"), "X {2+}\r\n\xc3\xa9\r\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imap_command *command = imap_command_new("X");

		print_message("%s\n", cases[i].name);
		imap_command_astring(command, cases[i].text);
		expect(command, cases[i].expected);
	}
}

static void arguments_that_cannot_be_sent_are_errors(void **state)
{
	struct imap_command *command;

	command = imap_command_new("X");
	imap_command_astring(command, (struct slice){ "a\0b", 3 });
	expect_error(command, -EINVAL);
	command = imap_command_new("X");
	imap_command_raw(command, SLICE_LIT("NOOP\r\nX LOGOUT"));
	expect_error(command, -EINVAL);
	command = imap_command_new("X");
	imap_command_atom(command, "a\nb");
	expect_error(command, -EINVAL);
	command = imap_command_new("X");
	imap_command_flags(command, 0, SLICE_LIT("a b)c"));
	expect_error(command, -EINVAL);
	command = imap_command_new("X");
	imap_command_set(command, &(struct imap_set){ 0 });
	expect_error(command, -EINVAL);
	command = imap_command_new("X");
	imap_command_secret(command, "p\0w", 3);
	expect_error(command, -EINVAL);
	assert_int_equal(imap_command_error(NULL), -ENOMEM);
	imap_command_astring(NULL, SLICE_LIT("a"));
	imap_command_flags(NULL, 1, SLICE_LIT("a"));
	imap_command_date(NULL, 0);
	imap_command_secret(NULL, "a", 1);
	imap_command_set(NULL, &(struct imap_set){ 0 });
}

static void words_are_separated_by_one_space(void **state)
{
	struct imap_command *command = imap_command_new("UID FETCH");
	struct imap_set set = { 0 };

	assert_int_equal(imap_set_add_range(&set, 1, 3), 0);
	assert_int_equal(imap_set_add(&set, 7), 0);
	imap_command_set(command, &set);
	imap_command_open(command);
	imap_command_atom(command, "UID");
	imap_command_open(command);
	imap_command_number(command, UINT64_MAX);
	imap_command_nstring(command, SLICE_NIL);
	imap_command_nstring(command, SLICE_LIT("x"));
	imap_command_close(command);
	imap_command_open(command);
	imap_command_close(command);
	imap_command_close(command);
	imap_command_flags(command, IMAP_FLAG_SEEN | IMAP_FLAG_RECENT | IMAP_FLAG_DRAFT,
			   SLICE_LIT(" a  $b "));
	imap_command_date(command, 0);
	imap_set_release(&set);
	expect(command,
	       "UID FETCH 1:3,7 (UID (18446744073709551615 NIL \"x\") ()) (\\Seen \\Draft a $b) "
	       "\" 1-Jan-1970 00:00:00 +0000\"\r\n");
}

static void a_line_has_a_limit(void **state)
{
	struct imap_command *command = imap_command_new("UID FETCH");
	struct imap_set set = { 0 };
	char *big = malloc(20000);

	for (imap_uid uid = 100000; uid < 110000; uid += 2)
		assert_int_equal(imap_set_add(&set, uid), 0);
	imap_command_set(command, &set);
	imap_set_release(&set);
	expect_error(command, -EMSGSIZE);
	/* a literal is not part of the line */
	memset(big, 'a', 20000);
	command = imap_command_new("X");
	imap_command_astring(command, (struct slice){ big, 20000 });
	imap_command_atom(command, "b");
	assert_int_equal(imap_command_error(command), 0);
	imap_command_free(&command);
	assert_null(command);
	imap_command_free(&command);
	free(big);
}

static void secrets_do_not_show_in_traces(void **state)
{
	static const char *const secrets[] = { "hunter2", "with \"quotes\"", "sch\xc3\xb6n",
					       "two\r\nlines" };

	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		struct imap_command *command = imap_command_new("LOGIN");
		char *text;
		int err;

		imap_command_string(command, SLICE_LIT("user"));
		imap_command_secret(command, secrets[i], strlen(secrets[i]));
		text = wire(&command, &err);
		assert_int_equal(err, 0);
		assert_non_null(strstr(traced, "LOGIN \"user\" ***"));
		assert_null(strstr(traced, "hunter"));
		assert_null(strstr(traced, "quotes"));
		assert_null(strstr(traced, "sch"));
		assert_null(strstr(traced, "two"));
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(astring_takes_the_form_it_needs),
		cmocka_unit_test(arguments_that_cannot_be_sent_are_errors),
		cmocka_unit_test(words_are_separated_by_one_space),
		cmocka_unit_test(a_line_has_a_limit),
		cmocka_unit_test(secrets_do_not_show_in_traces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
