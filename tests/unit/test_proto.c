/*
 * The machine without I/O, as a conversation: what we send is told by S, what the server
 * says is fed whole, in exact-size heap blocks, or one byte at a time. "%1" stands for the
 * tag of the first command, and so on.
 */
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

#define REQUESTS 4

struct talk {
	struct imap_proto *proto;
	struct imap_request requests[REQUESTS];
	size_t sent;
	char log[2048]; /* what the handlers saw */
	bool bytewise;
};

struct mark {
	struct talk *talk;
	char name;
	bool keep;
};

static void note(struct talk *talk, const char *text)
{
	size_t at = strlen(talk->log);

	snprintf(talk->log + at, sizeof(talk->log) - at, "%s ", text);
}

static void note_event(struct talk *talk, char who, const struct imap_event *event)
{
	char text[32];

	snprintf(text, sizeof(text), "%c%d", who, (int)event->type);
	note(talk, text);
}

static bool machine_event(void *user, const struct imap_event *event)
{
	note_event(user, 'm', event);
	return true;
}

static bool request_event(void *user, const struct imap_event *event)
{
	struct mark *mark = user;

	note_event(mark->talk, mark->name, event);
	return mark->keep;
}

static void talk_begin(struct talk *talk, bool bytewise)
{
	memset(talk, 0, sizeof(*talk));
	talk->bytewise = bytewise;
	assert_int_equal(imap_proto_new(machine_event, talk, &talk->proto), 0);
}

static void talk_end(struct talk *talk)
{
	imap_proto_free(&talk->proto);
	assert_null(talk->proto);
}

static size_t expand(const struct talk *talk, const char *text, char *out, size_t size)
{
	size_t at = 0;

	for (; *text; text++) {
		if (text[0] == '%' && text[1] >= '1' && text[1] <= '0' + REQUESTS)
			at += (size_t)snprintf(out + at, size - at, "%s",
					       talk->requests[*++text - '1'].tag);
		else
			out[at++] = *text;
		assert_true(at < size);
	}
	return at;
}

static int hear(struct talk *talk, const char *text)
{
	char *line = malloc(70000), *exact;
	size_t len = expand(talk, text, line, 70000);
	int err = 0;

	exact = malloc(len ? len : 1);
	memcpy(exact, line, len);
	free(line);
	for (size_t i = 0; talk->bytewise && i < len && !err; i++) {
		char *byte = malloc(1);

		*byte = exact[i];
		err = imap_proto_feed(talk->proto, byte, 1);
		free(byte);
	}
	if (!talk->bytewise)
		err = imap_proto_feed(talk->proto, exact, len);
	free(exact);
	return err;
}

/* All that waits to be sent goes out, and is as expected (NULL: whatever it is). */
static void says(struct talk *talk, const char *expected)
{
	struct slice out = imap_proto_output(talk->proto);
	char line[8192];

	if (expected) {
		size_t len = expand(talk, expected, line, sizeof(line));

		assert_int_equal(out.len, len);
		assert_memory_equal(out.ptr, line, len);
	}
	imap_proto_sent(talk->proto, out.len);
	assert_int_equal(imap_proto_output(talk->proto).len, 0);
}

static struct imap_request *request_next(struct talk *talk)
{
	assert_true(talk->sent < REQUESTS);
	return &talk->requests[talk->sent++];
}

static struct imap_request *ask(struct talk *talk, const char *name)
{
	struct imap_command *command = imap_command_new(name);
	struct imap_request *request = request_next(talk);

	assert_int_equal(imap_proto_send(talk->proto, &command, request), 0);
	return request;
}

static void greet(struct talk *talk)
{
	assert_int_equal(hear(talk, "* OK [CAPABILITY IMAP4rev1 ID] hello\r\n"), 0);
	talk->log[0] = '\0';
}

/* Runs a test both ways. */
#define BOTH(name)                                                                                 \
	static void do_##name(struct talk *talk);                                                  \
	static void name(void **state)                                                             \
	{                                                                                          \
		for (int i = 0; i < 2; i++) {                                                      \
			struct talk talk;                                                          \
			talk_begin(&talk, i == 1);                                                 \
			do_##name(&talk);                                                          \
			talk_end(&talk);                                                           \
		}                                                                                  \
	}                                                                                          \
	static void do_##name(struct talk *talk)

BOTH(greeting_is_kept)
{
	struct imap_answer greeting;

	assert_false(imap_proto_greeted(talk->proto, &greeting));
	assert_int_equal(hear(talk, "* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+] hello\r\n"), 0);
	assert_true(imap_proto_greeted(talk->proto, &greeting));
	assert_int_equal(greeting.status, IMAP_PREAUTH);
	assert_string_equal(greeting.text, "hello");
	assert_true(imap_proto_capabilities(talk->proto)->known);
	assert_true(imap_has(imap_proto_capabilities(talk->proto), IMAP_CAP_LITERAL_PLUS));
}

static void other_greetings_are_no_imap(void **state)
{
	static const char *const greetings[] = {
		"220 mail.example.org ESMTP\r\n",
		"+OK POP3 ready\r\n",
		"* NO go away\r\n",
		"* BAD what\r\n",
		"* 3 EXISTS\r\n",
		"A1 OK hello\r\n",
		"HTTP/1.1 400 Bad Request\r\n",
		"SSH-2.0-OpenSSH_9.2p1\r\n",
		"\r\n\r\n\r\n",
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(greetings); i++) {
		struct talk talk;

		print_message("%s", greetings[i / 2]);
		talk_begin(&talk, i % 2);
		assert_int_equal(hear(&talk, greetings[i / 2]), -EPROTO);
		assert_string_not_equal(imap_proto_error(talk.proto), "");
		talk_end(&talk);
	}
}

BOTH(answers_find_their_commands)
{
	struct imap_request *first, *second;

	greet(talk);
	first = ask(talk, "NOOP");
	second = ask(talk, "CHECK");
	says(talk, "%1 NOOP\r\n%2 CHECK\r\n");
	assert_string_not_equal(first->tag, second->tag);
	assert_int_equal(imap_proto_outstanding(talk->proto), 2);
	assert_int_equal(hear(talk, "%2 NO [OVERQUOTA] full\r\n"), 0);
	assert_false(first->done);
	assert_true(second->done);
	assert_int_equal(second->answer.status, IMAP_NO);
	assert_int_equal(second->answer.code, IMAP_CODE_OVERQUOTA);
	assert_string_equal(second->answer.text, "full");
	assert_int_equal(hear(talk, "%1 OK\r\n"), 0);
	assert_true(first->done);
	assert_int_equal(imap_proto_outstanding(talk->proto), 0);
}

static void tags_cannot_be_guessed(void **state)
{
	struct talk a, b;

	talk_begin(&a, false);
	talk_begin(&b, false);
	assert_string_not_equal(ask(&a, "NOOP")->tag, ask(&b, "NOOP")->tag);
	talk_end(&a);
	talk_end(&b);
}

/* S4: each of these ends the connection for good. */
static void answers_nobody_asked_for_break_it(void **state)
{
	static const struct {
		const char *name, *before, *answer;
	} cases[] = {
		{ "unknown tag", NULL, "a1 OK done\r\n" },
		{ "twice", "%1 OK done\r\n", "%1 OK done\r\n" },
		{ "not sent yet", NULL, "%2 OK done\r\n" },
		{ "tag with more behind", NULL, "%1x OK done\r\n" },
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		struct talk talk;

		print_message("%s\n", cases[i / 2].name);
		talk_begin(&talk, i % 2);
		greet(&talk);
		ask(&talk, "NOOP");
		says(&talk, NULL);
		ask(&talk, "CHECK"); /* queued, its bytes have not gone out */
		if (cases[i / 2].before)
			assert_int_equal(hear(&talk, cases[i / 2].before), 0);
		assert_int_equal(hear(&talk, cases[i / 2].answer), -EPROTO);
		assert_false(talk.requests[1].done);
		assert_int_equal(hear(&talk, "* OK\r\n"), -EPROTO);
		talk_end(&talk);
	}
}

BOTH(events_are_offered_in_order)
{
	struct mark marks[2] = { { talk, 'a', false }, { talk, 'b', true } };
	char expected[64];

	greet(talk);
	for (size_t i = 0; i < 2; i++) {
		struct imap_command *command = imap_command_new("NOOP");
		struct imap_request *request = request_next(talk);

		request->event = request_event;
		request->user = &marks[i];
		assert_int_equal(imap_proto_send(talk->proto, &command, request), 0);
	}
	/* nothing has gone out: the event cannot be about them */
	assert_int_equal(hear(talk, "* 1 EXISTS\r\n"), 0);
	says(talk, NULL);
	assert_int_equal(hear(talk, "* 2 EXISTS\r\n%2 OK x\r\n* 3 EXISTS\r\n"), 0);
	snprintf(expected, sizeof(expected), "m%d a%d b%d a%d m%d ", IMAP_EVENT_EXISTS,
		 IMAP_EVENT_EXISTS, IMAP_EVENT_EXISTS, IMAP_EVENT_EXISTS, IMAP_EVENT_EXISTS);
	assert_string_equal(talk->log, expected);
	assert_true(imap_proto_progress(talk->proto) == 2);
}

static struct imap_request *ask_literal(struct talk *talk, size_t len)
{
	struct imap_command *command = imap_command_new("APPEND");
	struct imap_request *request = request_next(talk);
	char *text = malloc(len);

	memset(text, '\xff', len);
	imap_command_astring(command, (struct slice){ text, len });
	imap_command_atom(command, "end");
	assert_int_equal(imap_proto_send(talk->proto, &command, request), 0);
	free(text);
	return request;
}

BOTH(literals_wait_for_the_server)
{
	greet(talk);
	ask_literal(talk, 2);
	ask(talk, "NOOP");
	says(talk, "%1 APPEND {2}\r\n");
	assert_int_equal(hear(talk, "* 1 EXISTS\r\n"), 0);
	says(talk, "");
	assert_int_equal(hear(talk, "+ go on\r\n"), 0);
	says(talk, "\xff\xff end\r\n%2 NOOP\r\n");
	assert_int_equal(hear(talk, "+ stray\r\n%1 OK\r\n%2 OK\r\n"), 0);
	assert_true(talk->requests[1].done);
}

BOTH(a_refused_literal_is_not_sent)
{
	struct imap_request *request;

	greet(talk);
	request = ask_literal(talk, 2);
	ask(talk, "NOOP");
	says(talk, "%1 APPEND {2}\r\n");
	assert_int_equal(hear(talk, "%1 NO [TOOBIG] no\r\n"), 0);
	assert_true(request->done);
	says(talk, "%2 NOOP\r\n");
}

BOTH(literals_do_not_wait_where_they_need_not)
{
	assert_int_equal(hear(talk, "* OK [CAPABILITY IMAP4rev1 LITERAL-] hi\r\n"), 0);
	ask_literal(talk, 2);
	says(talk, "%1 APPEND {2+}\r\n\xff\xff end\r\n");
	ask_literal(talk, 4097);
	says(talk, "%2 APPEND {4097}\r\n");
	assert_int_equal(hear(talk, "%2 NO\r\n%1 OK\r\n"), 0);
	assert_int_equal(hear(talk, "* CAPABILITY IMAP4rev1 LITERAL+\r\n"), 0);
	ask_literal(talk, 4097);
	assert_true(imap_proto_output(talk->proto).len > 4097);
}

static bool reply(void *user, struct slice challenge, struct slice *ret_reply)
{
	note(user, challenge.len ? "challenge" : "empty");
	*ret_reply = SLICE_LIT("c2VjcmV0");
	return slice_eqs(challenge, "Zm9v") || !challenge.len;
}

BOTH(authenticate_is_a_dialogue)
{
	struct imap_command *command = imap_command_new("AUTHENTICATE PLAIN");
	struct imap_request *request = request_next(talk);

	greet(talk);
	request->go_on = reply;
	request->user = talk;
	assert_int_equal(imap_proto_send(talk->proto, &command, request), 0);
	ask(talk, "NOOP");
	says(talk, "%1 AUTHENTICATE PLAIN\r\n");
	assert_int_equal(hear(talk, "+ \r\n"), 0);
	says(talk, "c2VjcmV0\r\n");
	assert_int_equal(hear(talk, "+ Zm9v\r\n"), 0);
	says(talk, "c2VjcmV0\r\n");
	assert_int_equal(hear(talk, "+ YmFy\r\n"), 0);
	says(talk, "*\r\n");
	assert_string_equal(talk->log, "empty challenge challenge ");
	assert_int_equal(hear(talk, "%1 BAD stopped\r\n"), 0);
	says(talk, "%2 NOOP\r\n");
}

static struct imap_request *ask_starttls(struct talk *talk)
{
	struct imap_command *command = imap_command_new("STARTTLS");
	struct imap_request *request = request_next(talk);

	request->stop_behind = true;
	assert_int_equal(imap_proto_send(talk->proto, &command, request), 0);
	says(talk, "%1 STARTTLS\r\n");
	return request;
}

/* S1: whatever follows the OK ends it, and no event comes out of it. */
static void nothing_may_follow_starttls(void **state)
{
	static const char *const behind[] = {
		"* CAPABILITY IMAP4rev1 AUTH=EVIL\r\n",
		"%1 OK again\r\n",
		"* OK [ALERT] hi\r\n",
		"x",
		"\r\n",
		" ",
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(behind); i++) {
		struct talk talk;
		char text[200];

		talk_begin(&talk, i % 2);
		greet(&talk);
		ask_starttls(&talk);
		snprintf(text, sizeof(text), "%%1 OK begin\r\n%s", behind[i / 2]);
		assert_int_equal(hear(&talk, text), -EPROTO);
		assert_string_equal(talk.log, "");
		talk_end(&talk);
	}
}

/* S5, also for capabilities in the code of the OK itself. */
BOTH(all_from_before_tls_is_forgotten)
{
	struct imap_answer answer;

	assert_int_equal(
		hear(talk, "* OK [CAPABILITY IMAP4rev1 STARTTLS LITERAL+] hi\r\n* BYE soon\r\n"),
		0);
	ask_starttls(talk);
	assert_int_equal(hear(talk, "%1 OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] begin\r\n"), 0);
	imap_proto_secured(talk->proto);
	assert_false(imap_proto_capabilities(talk->proto)->known);
	assert_false(imap_has(imap_proto_capabilities(talk->proto), IMAP_CAP_AUTH_PLAIN));
	assert_false(imap_has(imap_proto_capabilities(talk->proto), IMAP_CAP_LITERAL_PLUS));
	assert_false(imap_proto_bye(talk->proto, &answer));
	assert_true(imap_proto_greeted(talk->proto, &answer));
	assert_string_equal(answer.text, "");
	ask(talk, "NOOP");
	says(talk, "%2 NOOP\r\n");
	assert_int_equal(hear(talk, "%2 OK\r\n"), 0);
}

BOTH(a_refused_starttls_goes_on)
{
	greet(talk);
	ask_starttls(talk);
	assert_int_equal(hear(talk, "%1 NO not now\r\n* 1 EXISTS\r\n"), 0);
	assert_true(talk->requests[0].done);
}

BOTH(bye_is_kept)
{
	struct imap_answer farewell;

	greet(talk);
	assert_false(imap_proto_bye(talk->proto, &farewell));
	assert_int_equal(hear(talk, "* BYE [UNAVAILABLE] too many\r\n"), 0);
	assert_true(imap_proto_bye(talk->proto, &farewell));
	assert_int_equal(farewell.code, IMAP_CODE_UNAVAILABLE);
	assert_string_equal(farewell.text, "too many");
}

static void what_is_off_stays_off(void **state)
{
	struct talk talk;

	talk_begin(&talk, false);
	imap_capabilities_disable(imap_proto_capabilities(talk.proto), SLICE_LIT("literal+, ID"));
	assert_int_equal(hear(&talk, "* OK [CAPABILITY IMAP4rev1 LITERAL+ ID] hi\r\n"), 0);
	assert_false(imap_has(imap_proto_capabilities(talk.proto), IMAP_CAP_LITERAL_PLUS));
	imap_proto_secured(talk.proto);
	assert_int_equal(hear(&talk, "* CAPABILITY IMAP4rev1 LITERAL+ ENABLE\r\n"), 0);
	assert_false(imap_has(imap_proto_capabilities(talk.proto), IMAP_CAP_LITERAL_PLUS));
	assert_true(imap_has(imap_proto_capabilities(talk.proto), IMAP_CAP_ENABLE));
	talk_end(&talk);
}

static void the_pipeline_has_a_length(void **state)
{
	struct imap_request requests[IMAP_LIMIT_PIPELINE + 1];
	struct imap_command *command;
	struct talk talk;

	memset(requests, 0, sizeof(requests));
	talk_begin(&talk, false);
	for (size_t i = 0; i <= IMAP_LIMIT_PIPELINE; i++) {
		command = imap_command_new("NOOP");
		assert_int_equal(imap_proto_send(talk.proto, &command, &requests[i]),
				 i < IMAP_LIMIT_PIPELINE ? 0 : -EAGAIN);
		assert_null(command);
	}
	imap_proto_abort(talk.proto);
	assert_int_equal(imap_proto_outstanding(talk.proto), 0);
	assert_int_equal(imap_proto_output(talk.proto).len, 0);
	command = imap_command_new("NOOP");
	assert_int_equal(imap_proto_send(talk.proto, &command, &requests[0]), -EPROTO);
	talk_end(&talk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greeting_is_kept),
		cmocka_unit_test(other_greetings_are_no_imap),
		cmocka_unit_test(answers_find_their_commands),
		cmocka_unit_test(tags_cannot_be_guessed),
		cmocka_unit_test(answers_nobody_asked_for_break_it),
		cmocka_unit_test(events_are_offered_in_order),
		cmocka_unit_test(literals_wait_for_the_server),
		cmocka_unit_test(a_refused_literal_is_not_sent),
		cmocka_unit_test(literals_do_not_wait_where_they_need_not),
		cmocka_unit_test(authenticate_is_a_dialogue),
		cmocka_unit_test(nothing_may_follow_starttls),
		cmocka_unit_test(all_from_before_tls_is_forgotten),
		cmocka_unit_test(a_refused_starttls_goes_on),
		cmocka_unit_test(bye_is_kept),
		cmocka_unit_test(what_is_off_stays_off),
		cmocka_unit_test(the_pipeline_has_a_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
