/* Connections against a scripted server: what a person reads when it fails, and that every wait ends. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <imap/verb.h>

#include "peer.h"
#include "util/attr.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/slice.h"

#define TIMEOUT_MS 400
#define SLACK_MS 1500 /* sanitizers and a busy machine */

static struct imap_conn_params params_for(const struct peer *peer, enum imap_tls_mode tls)
{
	return (struct imap_conn_params){
		.host = "127.0.0.1",
		.port = peer_port(peer),
		.tls = tls,
		.ca_file = peer_ca_file(),
		.timeout_ms = TIMEOUT_MS,
		.stop_fd = -1,
	};
}

/* ---- opening that fails ---------------------------------------------------- */

static void s_serve(struct peer_link *link, unsigned nth, void *user)
{
	if (peer_greet(link))
		peer_serve(link);
}

static void s_hang(struct peer_link *link, unsigned nth, void *user)
{
	peer_hang(link);
}

static void s_half_greeting(struct peer_link *link, unsigned nth, void *user)
{
	if (peer_say(link, "* OK hel"))
		peer_hang(link);
}

static void s_close(struct peer_link *link, unsigned nth, void *user)
{
}

static void s_reset(struct peer_link *link, unsigned nth, void *user)
{
	peer_reset(link);
}

static void s_smtp(struct peer_link *link, unsigned nth, void *user)
{
	if (peer_say(link, "220 mx\033[2J.example.org ESMTP\r\n"))
		peer_hang(link);
}

static void s_bye(struct peer_link *link, unsigned nth, void *user)
{
	peer_say(link, "* BYE too many of you\r\n");
}

static void s_preauth(struct peer_link *link, unsigned nth, void *user)
{
	if (peer_say(link, "* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome\r\n"))
		peer_serve(link);
}

static void s_no_starttls(struct peer_link *link, unsigned nth, void *user)
{
	if (peer_say(link, "* OK [CAPABILITY IMAP4rev1] hi\r\n"))
		peer_serve(link);
}

/* The greeting offers STARTTLS; `user` is the answer to it, with %s for the tag. */
static void s_starttls_answer(struct peer_link *link, unsigned nth, void *user)
{
	char tag[32], line[1000], answer[1000];
	const char *text = user, *mark = strstr(text, "TAG");

	if (!peer_say(link, "* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n") ||
	    !peer_command(link, tag, line, sizeof(line)))
		return;
	assert_string_equal(line, "STARTTLS");
	snprintf(answer, sizeof(answer), "%.*s%s%s", (int)(mark - text), text, tag, mark + 3);
	if (!peer_say(link, "%s", answer))
		return;
	/* A real one would begin TLS; not a byte of a login may come in clear. */
	while (peer_line(link, line, sizeof(line)))
		assert_null(strstr(line, "LOGIN"));
}

static void s_starttls(struct peer_link *link, unsigned nth, void *user)
{
	char tag[32], line[1000];

	if (!peer_say(link, "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=OLD] hi\r\n* 9 EXISTS\r\n") ||
	    !peer_command(link, tag, line, sizeof(line)) || strcmp(line, "STARTTLS"))
		return;
	if (peer_say(link, "%s OK [CAPABILITY IMAP4rev1 LITERAL+] begin\r\n", tag) &&
	    peer_starttls(link))
		peer_serve(link);
}

static const struct refused {
	const char *name;
	enum imap_tls_mode tls;
	enum peer_cert cert;
	peer_script *script;
	const char *text; /* for the script */
	const char *host;
	int error;
	const char *says;
	const char *never; /* must not be in the message */
} refused[] = {
	{ "hangs, tls", IMAP_TLS_IMPLICIT, PEER_CERT_GOOD, s_hang, NULL, NULL, -ETIMEDOUT,
	  "no greeting from", NULL },
	{ "hangs, plain", IMAP_TLS_OFF, PEER_CERT_NONE, s_hang, NULL, NULL, -ETIMEDOUT,
	  "no greeting from", NULL },
	{ "hangs, starttls", IMAP_TLS_STARTTLS, PEER_CERT_NONE, s_hang, NULL, NULL, -ETIMEDOUT,
	  "imaps://", NULL },
	{ "no TLS handshake", IMAP_TLS_IMPLICIT, PEER_CERT_NONE, s_hang, NULL, NULL, -ETIMEDOUT,
	  "setting up TLS", NULL },
	{ "half a greeting", IMAP_TLS_OFF, PEER_CERT_NONE, s_half_greeting, NULL, NULL, -ETIMEDOUT,
	  "no greeting", NULL },
	{ "plain where TLS is", IMAP_TLS_IMPLICIT, PEER_CERT_NONE, s_serve, NULL, NULL, -EPROTO,
	  "does not speak TLS", NULL },
	{ "closes", IMAP_TLS_OFF, PEER_CERT_NONE, s_close, NULL, NULL, -ECONNRESET,
	  "closed the connection", NULL },
	{ "resets", IMAP_TLS_OFF, PEER_CERT_NONE, s_reset, NULL, NULL, -ECONNRESET, "connection",
	  NULL },
	{ "smtp, tls", IMAP_TLS_IMPLICIT, PEER_CERT_GOOD, s_smtp, NULL, NULL, -EPROTO,
	  "does not speak IMAP (it said \"220 mx\\x1b[2J.example.org ESMTP\")", "\033" },
	{ "smtp, before TLS", IMAP_TLS_STARTTLS, PEER_CERT_GOOD, s_smtp, NULL, NULL, -EPROTO,
	  "does not speak IMAP", "220" },
	{ "bye, tls", IMAP_TLS_IMPLICIT, PEER_CERT_GOOD, s_bye, NULL, NULL, -ECONNRESET,
	  "too many of you", NULL },
	{ "bye, before TLS", IMAP_TLS_STARTTLS, PEER_CERT_GOOD, s_bye, NULL, NULL, -ECONNRESET,
	  "refuses", "too many" },
	{ "unknown root", IMAP_TLS_IMPLICIT, PEER_CERT_UNTRUSTED, s_serve, NULL, NULL,
	  -EKEYREJECTED, "is not trusted", NULL },
	{ "unknown root, starttls", IMAP_TLS_STARTTLS, PEER_CERT_UNTRUSTED, s_starttls, NULL, NULL,
	  -EKEYREJECTED, "is not trusted", NULL },
	{ "self-signed", IMAP_TLS_IMPLICIT, PEER_CERT_SELF_SIGNED, s_serve, NULL, NULL,
	  -EKEYREJECTED, "(self-signed certificate)", NULL },
	{ "wrong name", IMAP_TLS_IMPLICIT, PEER_CERT_WRONG_NAME, s_serve, NULL, "localhost",
	  -EKEYREJECTED, "is for other names (mail.example.org, imap.example.org)", NULL },
	{ "wrong name, starttls", IMAP_TLS_STARTTLS, PEER_CERT_WRONG_NAME, s_starttls, NULL,
	  "localhost", -EKEYREJECTED, "is for other names", NULL },
	{ "address not in it", IMAP_TLS_IMPLICIT, PEER_CERT_NAME_ONLY, s_serve, NULL, NULL,
	  -EKEYREJECTED, "is for other names (localhost)", NULL },
	{ "wildcard", IMAP_TLS_IMPLICIT, PEER_CERT_WILDCARD, s_serve, NULL, "localhost",
	  -EKEYREJECTED, "is for other names", NULL },
	{ "expired", IMAP_TLS_IMPLICIT, PEER_CERT_EXPIRED, s_serve, NULL, NULL, -EKEYREJECTED,
	  "has expired", NULL },
	{ "expired, starttls", IMAP_TLS_STARTTLS, PEER_CERT_EXPIRED, s_starttls, NULL, NULL,
	  -EKEYREJECTED, "has expired", NULL },
	{ "S2 preauth", IMAP_TLS_STARTTLS, PEER_CERT_GOOD, s_preauth, NULL, NULL, -EPERM,
	  "prevents TLS", "welcome" },
	{ "S3 no STARTTLS", IMAP_TLS_STARTTLS, PEER_CERT_GOOD, s_no_starttls, NULL, NULL, -EPERM,
	  "offers no STARTTLS", NULL },
	{ "S3 refused", IMAP_TLS_STARTTLS, PEER_CERT_GOOD, s_starttls_answer, "TAG NO sorry\r\n",
	  NULL, -EPERM, "refuses STARTTLS", "sorry" },
	{ "S3 bad", IMAP_TLS_STARTTLS, PEER_CERT_GOOD, s_starttls_answer, "TAG BAD what\r\n", NULL,
	  -EPERM, "refuses STARTTLS", "what" },
	{ "S1 same segment", IMAP_TLS_STARTTLS, PEER_CERT_GOOD, s_starttls_answer,
	  "TAG OK go\r\n* OK [ALERT] pay me\r\n", NULL, -EPROTO, "in between", "pay" },
	{ "S1 tag", IMAP_TLS_STARTTLS, PEER_CERT_GOOD, s_starttls_answer,
	  "TAG OK go\r\nTAG OK again\r\n", NULL, -EPROTO, "in between", NULL },
	{ "S4 early answer", IMAP_TLS_STARTTLS, PEER_CERT_GOOD, s_starttls_answer,
	  "A2 OK in\r\nTAG OK go\r\n", NULL, -EPROTO, "in between", NULL },
	{ "S1 plain text instead of TLS", IMAP_TLS_STARTTLS, PEER_CERT_GOOD, s_starttls_answer,
	  "TAG OK go\r\n", NULL, -ETIMEDOUT, "setting up TLS", NULL },
};

static void failures_are_one_clear_line(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const struct refused *c = &refused[i];
		struct peer *peer = peer_start(c->cert, c->tls == IMAP_TLS_IMPLICIT && c->cert,
					       c->script, (void *)c->text);
		struct imap_conn_params params = params_for(peer, c->tls);
		struct imap_conn *conn = NULL;
		int64_t start = clock_ms();
		char *error = NULL;
		int err;

		if (c->host)
			params.host = c->host;
		err = imap_conn_open(&params, &conn, &error);
		print_message("%s: %s\n", c->name, error ? error : "(none)");
		assert_true(clock_ms() - start < TIMEOUT_MS + SLACK_MS);
		assert_int_equal(err, c->error);
		assert_null(conn);
		assert_non_null(error);
		assert_non_null(strstr(error, c->says));
		assert_null(strchr(error, '\n'));
		if (c->never)
			assert_null(strstr(error, c->never));
		if (err == -EKEYREJECTED)
			assert_non_null(strstr(error, "sha256:"));
		free(error);
		peer_stop(peer);
	}
}

static void plain_text_stays_on_this_machine(void **state)
{
	struct imap_conn_params params = {
		.port = "143", .tls = IMAP_TLS_OFF, .timeout_ms = TIMEOUT_MS, .stop_fd = -1
	};
	static const char *const hosts[] = { "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1",
					     "0.0.0.0" };

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		struct imap_conn *conn;
		char *error = NULL;

		params.host = hosts[i];
		assert_int_equal(imap_conn_open(&params, &conn, &error), -EPERM);
		assert_non_null(strstr(error, hosts[i]));
		free(error);
	}
}

static void nobody_there(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_close, NULL);
	struct imap_conn_params params = params_for(peer, IMAP_TLS_IMPLICIT);
	struct imap_conn *conn;
	char *error = NULL, port[8];

	snprintf(port, sizeof(port), "%s", peer_port(peer));
	peer_stop(peer);
	params.port = port;
	assert_int_equal(imap_conn_open(&params, &conn, &error), -ECONNREFUSED);
	assert_non_null(strstr(error, "connection refused"));
	free(error);
	error = NULL;
	params.host = "no-such-host.invalid";
	params.timeout_ms = 10000;
	assert_int_not_equal(imap_conn_open(&params, &conn, &error), 0);
	assert_non_null(strstr(error, "cannot connect to no-such-host.invalid:"));
	free(error);
}

/* ---- opening that works ---------------------------------------------------- */

static struct imap_conn *open_good(struct imap_conn_params params)
{
	struct imap_conn *conn = NULL;
	char *error = NULL;

	if (imap_conn_open(&params, &conn, &error))
		fail_msg("%s", error);
	assert_true(imap_conn_alive(conn));
	assert_string_equal(imap_conn_error(conn), "");
	return conn;
}

static void pins_replace_chain_and_name(void **state)
{
	static const enum peer_cert certs[] = { PEER_CERT_SELF_SIGNED, PEER_CERT_WRONG_NAME,
						PEER_CERT_EXPIRED };

	for (size_t i = 0; i < ARRAY_SIZE(certs); i++) {
		struct peer *peer = peer_start(certs[i], true, s_serve, NULL);
		struct imap_conn_params params = params_for(peer, IMAP_TLS_IMPLICIT);
		struct imap_conn *conn;
		char *error = NULL;
		char pin[80];

		params.fingerprint = pin;
		snprintf(pin, sizeof(pin), "%s", peer_fingerprint(peer));
		conn = open_good(params);
		imap_conn_free(&conn);
		pin[sizeof("sha256:") - 1] ^= pin[sizeof("sha256:") - 1] == '1'
						      ? '1' ^ '2'
						      : pin[sizeof("sha256:") - 1] ^ '1';
		assert_int_equal(imap_conn_open(&params, &conn, &error), -EKEYREJECTED);
		assert_non_null(strstr(error, "tls_fingerprint"));
		free(error);
		error = NULL;
		pin[20] = '\0';
		assert_int_equal(imap_conn_open(&params, &conn, &error), -EKEYREJECTED);
		free(error);
		peer_stop(peer);
	}
}

static void a_pin_counts_even_for_a_good_certificate(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_GOOD, true, s_serve, NULL);
	struct imap_conn_params params = params_for(peer, IMAP_TLS_IMPLICIT);
	struct imap_conn *conn;
	char *error = NULL;

	params.fingerprint =
		"sha256:0000000000000000000000000000000000000000000000000000000000000000";
	assert_int_equal(imap_conn_open(&params, &conn, &error), -EKEYREJECTED);
	free(error);
	peer_stop(peer);
}

static bool count_event(void *user, const struct imap_event *event)
{
	++*(int *)user;
	return true;
}

/* S5, end to end: neither capabilities nor EXISTS from before TLS. */
static void starttls_begins_anew(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_GOOD, false, s_starttls, NULL);
	struct imap_conn *conn = open_good(params_for(peer, IMAP_TLS_STARTTLS));
	struct imap_conn_facts facts;
	int events = 0;

	imap_conn_on_event(conn, count_event, &events);
	assert_true(imap_conn_capabilities(conn)->known);
	assert_true(imap_has(imap_conn_capabilities(conn), IMAP_CAP_NAMESPACE));
	assert_false(imap_has(imap_conn_capabilities(conn), IMAP_CAP_STARTTLS));
	assert_false(imap_has(imap_conn_capabilities(conn), IMAP_CAP_LITERAL_PLUS));
	assert_int_equal(imap_noop(conn), 0);
	assert_int_equal(events, 0);
	imap_conn_facts_get(conn, &facts);
	assert_true(facts.secured && facts.loopback);
	assert_true(slice_starts(slice_of(facts.tls_version), SLICE_LIT("TLSv1.")));
	assert_string_equal(facts.peer, "127.0.0.1");
	assert_int_equal(imap_logout(conn), 0);
	imap_conn_free(&conn);
	peer_stop(peer);
}

/* ---- waits end ------------------------------------------------------------- */

static void s_talker(struct peer_link *link, unsigned nth, void *user)
{
	char tag[32], line[1000];

	if (!peer_greet(link) || !peer_command(link, tag, line, sizeof(line)))
		return;
	while (peer_say(link, "* OK still here\r\n"))
		usleep(20000);
}

static void s_script(struct peer_link *link, unsigned nth, void *user)
{
	char tag[32], line[1000];

	if (peer_greet(link) && peer_command(link, tag, line, sizeof(line)) &&
	    peer_say(link, "%s", (char *)user))
		peer_hang(link);
}

static void s_script_close(struct peer_link *link, unsigned nth, void *user)
{
	char tag[32], line[1000];

	if (peer_greet(link) && peer_command(link, tag, line, sizeof(line)))
		peer_say(link, "%s", (char *)user);
}

static void s_script_reset(struct peer_link *link, unsigned nth, void *user)
{
	s_script_close(link, nth, user);
	usleep(50000); /* a RST overtakes what was not read yet */
	peer_reset(link);
}

static void broken_answers_end_the_wait(void **state)
{
	static const struct {
		const char *name;
		peer_script *script;
		const char *text;
		int error;
		const char *says;
		int least_ms, most_ms;
	} cases[] = {
		{ "silence", s_script, "", -ETIMEDOUT, "does not answer", TIMEOUT_MS, TIMEOUT_MS },
		{ "half a line", s_script, "* 3 EXI", -ETIMEDOUT, "does not answer", TIMEOUT_MS,
		  TIMEOUT_MS },
		{ "chatter", s_talker, NULL, -ETIMEDOUT, "does not answer", 9 * TIMEOUT_MS,
		  10 * TIMEOUT_MS },
		{ "bye and closed", s_script_close, "* BYE so long\r\n", -ECONNRESET, "so long", 0,
		  0 },
		{ "bye and open", s_script, "* BYE so \033long\r\n", -ECONNRESET, "so \\x1blong", 0,
		  2000 },
		{ "closed", s_script_close, "", -ECONNRESET, "closed the connection", 0, 0 },
		{ "closed in a literal", s_script_close, "* 1 FETCH (UID 1 BODY[] {100}\r\nabc",
		  -ECONNRESET, "closed", 0, 0 },
		{ "reset in a literal", s_script_reset, "* 1 FETCH (UID 1 BODY[] {100}\r\nabc",
		  -ECONNRESET, "connection", 0, 200 },
		{ "silence in a literal", s_script, "* 1 FETCH (UID 1 BODY[] {100}\r\nabc",
		  -ETIMEDOUT, "does not answer", TIMEOUT_MS, TIMEOUT_MS },
		{ "another tag", s_script, "A9 OK done\r\n", -EPROTO, "breaks the protocol", 0, 0 },
		{ "literal of the moon", s_script, "* 1 FETCH (BODY[] {99999999999999999999}\r\n",
		  -EPROTO, "breaks the protocol", 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct peer *peer = peer_start(PEER_CERT_NONE, false, cases[i].script,
					       (void *)cases[i].text);
		struct imap_conn *conn = open_good(params_for(peer, IMAP_TLS_OFF));
		int64_t start = clock_ms(), took;
		int err;

		err = imap_noop(conn);
		took = clock_ms() - start;
		print_message("%s: %d %s (%d ms)\n", cases[i].name, err, imap_conn_error(conn),
			      (int)took);
		if (err != -EMSGSIZE) /* both are right for a number beyond all limits */
			assert_int_equal(err, cases[i].error);
		assert_non_null(strstr(imap_conn_error(conn), cases[i].says));
		assert_true(took >= cases[i].least_ms - 20 && took < cases[i].most_ms + SLACK_MS);
		assert_false(imap_conn_alive(conn));
		assert_int_equal(imap_conn_poll(conn), err);
		assert_int_equal(imap_noop(conn), err);
		imap_conn_free(&conn);
		peer_stop(peer);
	}
}

static void s_slow(struct peer_link *link, unsigned nth, void *user)
{
	char tag[32], line[1000];

	if (!peer_greet(link) || !peer_command(link, tag, line, sizeof(line)))
		return;
	peer_say(link, "* 1 FETCH (UID 5 BODY[] {12}\r\n");
	for (int i = 0; i < 12; i++) {
		usleep(TIMEOUT_MS * 1000 / 4);
		peer_say(link, "x");
	}
	peer_say(link, ")\r\n%s OK done\r\n", tag);
	peer_serve(link);
}

static bool body_event(void *user, const struct imap_event *event)
{
	if (event->type == IMAP_EVENT_BODY_DATA)
		*(size_t *)user += event->data.len;
	return event->type == IMAP_EVENT_BODY_DATA || event->type == IMAP_EVENT_BODY_BEGIN ||
	       event->type == IMAP_EVENT_BODY_END || event->type == IMAP_EVENT_FETCH;
}

/* The timeout counts from the last byte: three timeouts of slow bytes are fine. */
static void slow_is_not_silent(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_slow, NULL);
	struct imap_conn *conn = open_good(params_for(peer, IMAP_TLS_OFF));
	size_t got = 0;
	struct imap_request request = { .event = body_event, .user = &got };
	struct imap_set set = { 0 };

	assert_int_equal(imap_set_add(&set, 5), 0);
	assert_int_equal(imap_uid_fetch_body_send(conn, &set, "", 0, 0, &request), 0);
	assert_int_equal(imap_conn_wait(conn, &request, 1), 0);
	assert_int_equal(request.answer.status, IMAP_OK);
	assert_int_equal(got, 12);
	assert_int_equal(imap_uid_fetch_body_send(conn, &set, "A]\r\nB", 0, 0, &request), -EINVAL);
	imap_set_release(&set);
	imap_conn_free(&conn);
	peer_stop(peer);
}

static void *stop_soon(void *arg)
{
	usleep(150000);
	assert_int_equal(eventfd_write(*(int *)arg, 1), 0);
	return NULL;
}

static void stop_fd_ends_waits(void **state)
{
	static peer_script *const scripts[] = { s_script, s_talker, s_hang };

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct peer *peer = peer_start(PEER_CERT_NONE, false, scripts[i], (void *)"");
		struct imap_conn_params params = params_for(peer, IMAP_TLS_OFF);
		int stop = eventfd(0, EFD_CLOEXEC);
		struct imap_conn *conn = NULL;
		char *error = NULL;
		pthread_t thread;
		int64_t start = clock_ms();

		params.timeout_ms = 20000;
		params.stop_fd = stop;
		pthread_create(&thread, NULL, stop_soon, &stop);
		if (scripts[i] == s_hang) {
			assert_int_equal(imap_conn_open(&params, &conn, &error), -ECANCELED);
		} else {
			conn = open_good(params);
			assert_int_equal(imap_noop(conn), -ECANCELED);
		}
		assert_true(clock_ms() - start < 150 + SLACK_MS);
		pthread_join(thread, NULL);
		free(error);
		imap_conn_free(&conn);
		close(stop);
		peer_stop(peer);
	}
}

/* ---- login ----------------------------------------------------------------- */

struct login_script {
	const char *capabilities;
	const char *answers
		[6]; /* to the commands in turn; "+..." is followed by one more line of the client */
	char heard[1000]; /* what the client asked, without secrets */
};

static void s_login(struct peer_link *link, unsigned nth, void *user)
{
	struct login_script *script = user;
	char tag[32] = "", line[1000];

	if (!peer_say(link, "* OK [CAPABILITY IMAP4rev1 %s] hi\r\n", script->capabilities))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(script->answers) && script->answers[i]; i++) {
		const char *answer = script->answers[i];

		if (!peer_command(link, tag, line, sizeof(line)))
			return;
		if (!strncmp(line, "AUTHENTICATE ", 13))
			line[13 + strcspn(line + 13, " ")] = '\0';
		else
			line[strcspn(line, " ")] = '\0';
		snprintf(script->heard + strlen(script->heard),
			 sizeof(script->heard) - strlen(script->heard), "%s;", line);
		while (answer[0] == '+') {
			peer_say(link, "+ %.*s\r\n", (int)strcspn(answer + 1, "|"), answer + 1);
			answer += strcspn(answer, "|") + 1;
			if (!peer_line(link, line, sizeof(line)))
				return;
		}
		if (answer[0])
			peer_say(link, "%s %s\r\n", tag, answer);
	}
	peer_hang(link);
}

static void logins(void **state)
{
	static struct {
		const char *name, *mechanism;
		struct login_script script;
		int error;
		const char *heard;
	} cases[] = {
		{ "plain, initial response",
		  "auto",
		  { "SASL-IR AUTH=PLAIN", { "OK [CAPABILITY IMAP4rev1] in" }, "" },
		  0,
		  "AUTHENTICATE PLAIN;" },
		{ "plain, prompted",
		  "auto",
		  { "AUTH=PLAIN", { "+|OK [CAPABILITY IMAP4rev1] in" }, "" },
		  0,
		  "AUTHENTICATE PLAIN;" },
		{ "asks for capabilities",
		  "auto",
		  { "AUTH=PLAIN SASL-IR", { "OK in", "OK done" }, "" },
		  0,
		  "AUTHENTICATE PLAIN;CAPABILITY;" },
		{ "the command",
		  "auto",
		  { "", { "OK [CAPABILITY IMAP4rev1] in" }, "" },
		  0,
		  "LOGIN;" },
		{ "wrong password, one try",
		  "auto",
		  { "SASL-IR AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5",
		    { "+PDFAeD4=|NO [AUTHENTICATIONFAILED] no" },
		    "" },
		  -EACCES,
		  "AUTHENTICATE CRAM-MD5;" },
		{ "wrong password, no code",
		  "auto",
		  { "SASL-IR AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5",
		    { "+PDFAeD4=|NO no", "NO no", "NO no", "NO no", "NO no" },
		    "" },
		  -EACCES,
		  "AUTHENTICATE CRAM-MD5;AUTHENTICATE PLAIN;LOGIN;" },
		{ "pretended mechanisms",
		  "auto",
		  { "SASL-IR AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-1 AUTH=CRAM-MD5 AUTH=PLAIN",
		    { "NO what", "BAD what", "NO what", "OK [CAPABILITY IMAP4rev1] in" },
		    "" },
		  0,
		  "AUTHENTICATE SCRAM-SHA-256;AUTHENTICATE SCRAM-SHA-1;AUTHENTICATE "
		  "CRAM-MD5;AUTHENTICATE PLAIN;" },
		{ "LOGINDISABLED", "auto", { "LOGINDISABLED", { NULL }, "" }, -EPERM, "" },
		{ "LOGINDISABLED, the mechanism",
		  "auto",
		  { "LOGINDISABLED AUTH=LOGIN",
		    { "+VXNlcjo=|+UGFzczo=|OK [CAPABILITY IMAP4rev1] in" },
		    "" },
		  0,
		  "AUTHENTICATE LOGIN;" },
		{ "unavailable",
		  "auto",
		  { "SASL-IR AUTH=PLAIN", { "NO [UNAVAILABLE] later" }, "" },
		  -EREMOTEIO,
		  "AUTHENTICATE PLAIN;" },
		{ "S10 referral",
		  "auto",
		  { "SASL-IR AUTH=PLAIN",
		    { "NO [REFERRAL imap://evil.example/] go there", "NO no" },
		    "" },
		  -EACCES,
		  "AUTHENTICATE PLAIN;LOGIN;" },
		{ "named and absent", "PLAIN", { "", { NULL }, "" }, -EPERM, "" },
		{ "named",
		  "plain",
		  { "SASL-IR AUTH=PLAIN AUTH=CRAM-MD5", { "NO no" }, "" },
		  -EACCES,
		  "AUTHENTICATE PLAIN;" },
		/* S17: "r=x,s=c2FsdA==,i=1": not our nonce, one iteration */
		{ "scram, one iteration",
		  "auto",
		  { "SASL-IR AUTH=SCRAM-SHA-256 AUTH=PLAIN",
		    { "+cj14LHM9YzJGc2RBPT0saT0x|BAD stopped" },
		    "" },
		  -EPROTO,
		  "AUTHENTICATE SCRAM-SHA-256;" },
		/* "r=x,s=c2FsdA==,i=2147483648" */
		{ "scram, endless",
		  "auto",
		  { "SASL-IR AUTH=SCRAM-SHA-256 AUTH=PLAIN",
		    { "+cj14LHM9YzJGc2RBPT0saT0yMTQ3NDgzNjQ4|BAD stopped" },
		    "" },
		  -EPROTO,
		  "AUTHENTICATE SCRAM-SHA-256;" },
		/* "r=x,s=c2FsdA==,i=4096" */
		{ "scram, wrong nonce",
		  "auto",
		  { "SASL-IR AUTH=SCRAM-SHA-256 AUTH=PLAIN",
		    { "+cj14LHM9YzJGc2RBPT0saT00MDk2|BAD stopped" },
		    "" },
		  -EPROTO,
		  "AUTHENTICATE SCRAM-SHA-256;" },
		{ "scram, OK without proof",
		  "auto",
		  { "SASL-IR AUTH=SCRAM-SHA-1", { "OK in" }, "" },
		  -EPROTO,
		  "AUTHENTICATE SCRAM-SHA-1;" },
		{ "scram, rubbish",
		  "auto",
		  { "SASL-IR AUTH=SCRAM-SHA-1", { "+!!!|BAD stopped" }, "" },
		  -EPROTO,
		  "AUTHENTICATE SCRAM-SHA-1;" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct peer *peer = peer_start(PEER_CERT_NONE, false, s_login, &cases[i].script);
		struct imap_conn *conn = open_good(params_for(peer, IMAP_TLS_OFF));
		struct imap_login login = { .user = "u",
					    .password = "p",
					    .password_len = 1,
					    .mechanism = cases[i].mechanism };
		struct imap_answer answer;
		int err;

		err = imap_login(conn, &login, &answer);
		print_message("%s: %d %s%s\n", cases[i].name, err, answer.text,
			      imap_conn_error(conn));
		assert_int_equal(err, cases[i].error);
		imap_conn_free(&conn);
		peer_stop(peer);
		assert_string_equal(cases[i].script.heard, cases[i].heard);
	}
}

/* One script for each connection. */
static void s_logins(struct peer_link *link, unsigned nth, void *user)
{
	s_login(link, 0, (struct login_script *)user + nth);
}

static void a_mute_mechanism_is_passed_over(void **state)
{
	struct login_script scripts[] = {
		{ "AUTH=PLAIN", { "" }, "" },
		{ "AUTH=PLAIN", { "OK [CAPABILITY IMAP4rev1] in" }, "" },
	};
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_logins, scripts);
	struct imap_conn_params params = params_for(peer, IMAP_TLS_OFF);
	struct imap_login_memory memory = { 0 };
	struct imap_login login = {
		.user = "u", .password = "p", .password_len = 1, .memory = &memory
	};
	struct imap_conn *conn;
	int64_t start;

	params.timeout_ms = 20000;
	conn = open_good(params);
	start = clock_ms();
	assert_int_equal(imap_login(conn, &login, NULL), -ETIMEDOUT);
	assert_in_range(clock_ms() - start, 4900, 5000 + SLACK_MS);
	assert_int_not_equal(memory.failed, 0);
	imap_conn_free(&conn);
	conn = open_good(params);
	assert_int_equal(imap_login(conn, &login, NULL), 0);
	imap_conn_free(&conn);
	peer_stop(peer);
	assert_string_equal(scripts[0].heard, "AUTHENTICATE PLAIN;");
	assert_string_equal(scripts[1].heard, "LOGIN;");
}

/* ---- trace ----------------------------------------------------------------- */

static void traces_are_private_and_hold_no_secret(void **state)
{
	static const char body[] = "* 1 FETCH (UID 5 BODY[] {20}\r\nSubject: very secret)\r\n";
	char path[] = "/tmp/imapfs-trace-XXXXXX";
	struct login_script script = { "SASL-IR AUTH=PLAIN AUTH=CRAM-MD5",
				       { "+PDFAeD4=|NO no", "NO no", "NO no" },
				       "" };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_login, &script);
	struct imap_conn_params params = params_for(peer, IMAP_TLS_OFF);
	struct imap_login login = { .user = "u", .password = "hunter2", .password_len = 7 };
	struct imap_conn *conn;
	struct stat st;
	struct buf text;
	int fd = mkstemp(path);

	assert_true(fd >= 0 && !fchmod(fd, 0644));
	close(fd);
	params.trace_path = path;
	conn = open_good(params);
	assert_int_equal(imap_login(conn, &login, NULL), -EACCES);
	imap_conn_free(&conn);
	peer_stop(peer);
	peer = peer_start(PEER_CERT_NONE, false, s_script, (void *)body);
	params.port = peer_port(peer);
	conn = open_good(params);
	assert_int_equal(imap_noop(conn), -ETIMEDOUT);
	imap_conn_free(&conn);
	peer_stop(peer);

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	buf_init(&text, 1 << 20);
	assert_int_equal(file_read(path, true, &text), 0);
	assert_non_null(strstr(buf_cstr(&text), "AUTHENTICATE PLAIN ***"));
	assert_non_null(strstr(buf_cstr(&text), "LOGIN \"u\" ***"));
	assert_non_null(strstr(buf_cstr(&text), "<20 bytes>)"));
	assert_null(strstr(buf_cstr(&text), "hunter2"));
	assert_null(strstr(buf_cstr(&text), "AHUAaHVudGVyMg==")); /* NUL u NUL hunter2 */
	assert_null(strstr(buf_cstr(&text), "PDFAeD4="));
	assert_null(strstr(buf_cstr(&text), "very secret"));
	buf_release(&text);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_are_one_clear_line),
		cmocka_unit_test(plain_text_stays_on_this_machine),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(pins_replace_chain_and_name),
		cmocka_unit_test(a_pin_counts_even_for_a_good_certificate),
		cmocka_unit_test(starttls_begins_anew),
		cmocka_unit_test(broken_answers_end_the_wait),
		cmocka_unit_test(slow_is_not_silent),
		cmocka_unit_test(stop_fd_ends_waits),
		cmocka_unit_test(logins),
		cmocka_unit_test(a_mute_mechanism_is_passed_over),
		cmocka_unit_test(traces_are_private_and_hold_no_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
