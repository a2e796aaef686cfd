/* The pool against a scripted server: who gets a connection, and what happens when the server goes away. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "peer.h"
#include "session/backoff.h"
#include "session/session.h"
#include "util/attr.h"
#include "util/clock.h"
#include "util/slice.h"

#define TIMEOUT_MS 1000
#define SLACK_MS 2000

#define BOX SLICE_LIT("box")

static const char *password_text = "p";

static int password(void *user, struct secret **ret_password, char **ret_error)
{
	return secret_new(password_text, strlen(password_text), ret_password);
}

static struct session_params params_for(const struct peer *peer, size_t connections)
{
	return (struct session_params){
		.conn = { .host = "127.0.0.1",
			  .port = peer_port(peer),
			  .tls = IMAP_TLS_OFF,
			  .timeout_ms = TIMEOUT_MS },
		.user = "u",
		.auth = "auto",
		.password = password,
		.connections = connections,
	};
}

static struct session *open_good(const struct peer *peer, size_t connections)
{
	struct session_params params = params_for(peer, connections);
	struct session *session = NULL;
	char *error = NULL;

	if (session_open(&params, &session, &error))
		fail_msg("%s", error);
	return session;
}

/* Waits until as many connections are there; the spare one comes by itself. */
static void await_connections(struct session *session, size_t count)
{
	int64_t deadline = clock_ms() + 5000;
	struct session_status status;

	do {
		session_status_get(session, &status);
		/* one that is only being made is on lease to its maker */
		if (status.connections == count && !status.leased)
			return;
		usleep(5000);
	} while (clock_ms() < deadline);
	fail_msg("%zu connections instead of %zu", status.connections, count);
}

static void s_serve(struct peer_link *link, unsigned nth, void *user)
{
	if (peer_greet(link))
		peer_serve(link);
}

/* ---- opening --------------------------------------------------------------- */

static void opening_learns(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_serve, NULL);
	struct session *session = open_good(peer, 4);
	struct session_namespace spaces[4];
	struct session_status status;
	struct lease *lease;

	assert_int_equal(session_namespaces(session, spaces, 4), 2);
	assert_int_equal(spaces[0].kind, IMAP_NAMESPACE_PERSONAL);
	assert_string_equal(spaces[0].prefix, "");
	assert_int_equal(spaces[1].kind, IMAP_NAMESPACE_SHARED);
	assert_string_equal(spaces[1].prefix, "Public/");
	assert_int_equal(spaces[1].delimiter, '/');
	assert_true(session_has(session, IMAP_CAP_UNSELECT));
	assert_false(session_has(session, IMAP_CAP_MOVE));
	await_connections(session, 2); /* the spare one, and no more */
	usleep(50000);
	session_status_get(session, &status);
	assert_string_equal(status.state, "connected");
	assert_string_equal(status.server, "Peer 1");
	assert_int_equal(status.connections, 2);
	assert_int_equal(status.connections_max, 4);
	assert_int_equal(status.leased, 0);
	assert_int_equal(peer_connections(peer), 2);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease), 0);
	lease_return(&lease);
	session_status_get(session, &status);
	assert_true(status.bytes_in > 0 && status.bytes_out > 0);
	session_close(&session);
	assert_null(session);
	peer_stop(peer);
}

static void a_wrong_password_is_said_at_once(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_serve, NULL);
	struct session_params params = params_for(peer, 4);
	struct session *session = NULL;
	char *error = NULL;

	password_text = "wrong";
	assert_int_equal(session_open(&params, &session, &error), -EACCES);
	password_text = "p";
	assert_non_null(strstr(error, "password"));
	assert_non_null(strstr(error, "wrong")); /* the server's words */
	assert_null(strchr(error, '\n'));
	assert_null(session);
	assert_int_equal(peer_connections(peer), 1);
	free(error);
	peer_stop(peer);
}

/* ---- leases ---------------------------------------------------------------- */

static void leases_keep_the_mailbox(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_serve, NULL);
	struct session *session = open_good(peer, 1);
	struct imap_conn *conn;
	struct lease *lease;

	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease), 0);
	conn = lease_conn(lease);
	assert_true(lease_fresh(lease));
	assert_int_equal(lease_selected(lease)->exists, 3);
	assert_int_equal(lease_selected(lease)->uidvalidity, 7);
	assert_true(lease_selected(lease)->read_only);
	lease_return(&lease);
	assert_null(lease);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease), 0);
	assert_ptr_equal(lease_conn(lease), conn);
	assert_false(lease_fresh(lease));
	lease_return(&lease);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, SLICE_LIT("absent"), &lease),
			 -ENOENT);
	/* the refusal closed the mailbox before */
	assert_int_equal(session_lease(session, SESSION_BACKGROUND, BOX, &lease), 0);
	assert_ptr_equal(lease_conn(lease), conn);
	assert_true(lease_fresh(lease));
	lease_return(&lease);
	lease_return(&lease);
	session_close(&session);
	peer_stop(peer);
}

static void s_news(struct peer_link *link, unsigned nth, void *user)
{
	char tag[32], line[1000];

	if (!peer_greet(link))
		return;
	for (int i = 0; i < 4;
	     i++) /* CAPABILITY is in the greeting: LOGIN, ID, NAMESPACE, EXAMINE */
		if (!peer_serve_one(link))
			return;
	if (peer_command(link, tag, line, sizeof(line)))
		peer_say(link, "* 5 EXISTS\r\n* 2 EXPUNGE\r\n* 2 RECENT\r\n%s OK done\r\n", tag);
	peer_serve(link);
}

static void selected_follows_the_server(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_news, NULL);
	struct session *session = open_good(peer, 1);
	struct lease *lease;

	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease), 0);
	assert_int_equal(imap_noop(lease_conn(lease)), 0);
	assert_int_equal(lease_selected(lease)->exists, 4);
	assert_int_equal(lease_selected(lease)->recent, 2);
	lease_return(&lease);
	session_close(&session);
	peer_stop(peer);
}

struct taker {
	struct session *session;
	enum session_priority priority;
	int result;
	atomic_int *order;
	int place;
};

static void *take(void *arg)
{
	struct taker *taker = arg;
	struct lease *lease;

	taker->result = session_lease(taker->session, taker->priority, BOX, &lease);
	if (!taker->result) {
		taker->place = atomic_fetch_add(taker->order, 1);
		lease_return(&lease);
	}
	return NULL;
}

/* Time for a thread to get in line: nothing outside tells. */
static void let_it_wait(void)
{
	usleep(100000);
}

static void interactive_goes_first(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_serve, NULL);
	struct session *session = open_good(peer, 1);
	atomic_int order = 0;
	struct taker takers[3] = { { session, SESSION_BACKGROUND, -1, &order, -1 },
				   { session, SESSION_INTERACTIVE, -1, &order, -1 },
				   { session, SESSION_INTERACTIVE, -1, &order, -1 } };
	pthread_t threads[3];
	struct lease *lease;

	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease), 0);
	for (size_t i = 0; i < 3; i++) {
		pthread_create(&threads[i], NULL, take, &takers[i]);
		let_it_wait();
	}
	lease_return(&lease);
	for (size_t i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(takers[0].place, 2);
	session_close(&session);
	peer_stop(peer);
}

static void the_last_connection_is_for_people(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_serve, NULL);
	struct session *session = open_good(peer, 3);
	struct lease *background[2], *third, *interactive;
	int64_t start;

	for (size_t i = 0; i < 2; i++)
		assert_int_equal(session_lease(session, SESSION_BACKGROUND, BOX, &background[i]),
				 0);
	start = clock_ms();
	assert_int_equal(session_lease(session, SESSION_BACKGROUND, BOX, &third), -ETIMEDOUT);
	assert_in_range(clock_ms() - start, TIMEOUT_MS - 20, TIMEOUT_MS + SLACK_MS);
	start = clock_ms();
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &interactive), 0);
	assert_true(clock_ms() - start < TIMEOUT_MS);
	lease_return(&interactive);
	for (size_t i = 0; i < 2; i++)
		lease_return(&background[i]);
	session_close(&session);
	peer_stop(peer);
}

static void stop_ends_every_wait(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_serve, NULL);
	struct session *session = open_good(peer, 1);
	atomic_int order = 0;
	struct taker taker = { session, SESSION_BACKGROUND, 0, &order, -1 };
	struct lease *lease, *other;
	pthread_t thread;
	int64_t start;
	int err;

	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease), 0);
	pthread_create(&thread, NULL, take, &taker);
	let_it_wait();
	session_stop(session);
	pthread_join(thread, NULL);
	assert_int_equal(taker.result, -ECANCELED);
	/* An answer that is there already may still be taken; no wait goes on. */
	start = clock_ms();
	do
		err = imap_noop(lease_conn(lease));
	while (!err && clock_ms() - start < SLACK_MS);
	assert_int_equal(err, -ECANCELED);
	lease_return(&lease);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &other), -ECANCELED);
	session_close(&session);
	peer_stop(peer);
}

/* A caller that gives up in the middle leaves answers behind that nobody waits for. */
static void unfinished_business_costs_the_connection(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_serve, NULL);
	struct session *session = open_good(peer, 1);
	struct imap_request request = { .done = false };
	struct imap_command *command = imap_command_new("NOOP");
	struct lease *lease;

	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease), 0);
	assert_int_equal(imap_conn_send(lease_conn(lease), &command, &request), 0);
	lease_return(&lease);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease), 0);
	assert_true(lease_fresh(lease));
	assert_int_equal(peer_connections(peer), 2);
	lease_return(&lease);
	session_close(&session);
	peer_stop(peer);
}

/* ---- the server goes away -------------------------------------------------- */

struct outage {
	atomic_bool down; /* connections are closed before the greeting */
	atomic_bool full; /* further logins are refused */
};

static void s_outage(struct peer_link *link, unsigned nth, void *user)
{
	struct outage *outage = user;

	if (atomic_load(&outage->down) || !peer_greet(link))
		return;
	if (atomic_load(&outage->full)) {
		char tag[32], line[1000];

		if (peer_command(link, tag, line, sizeof(line)))
			peer_say(link, "%s NO [LIMIT] too many connections\r\n", tag);
		peer_hang(link);
		return;
	}
	while (peer_serve_one(link))
		if (atomic_load(&outage->down))
			return;
}

static int job_noop(struct lease *lease, void *user)
{
	++*(int *)user;
	return imap_noop(lease_conn(lease));
}

static void work_is_repeated_on_another_connection(void **state)
{
	struct outage outage = { .down = false };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_outage, &outage);
	struct session *session = open_good(peer, 2);
	struct session_status status;
	int runs = 0;

	await_connections(session, 2);
	assert_int_equal(session_run(session, SESSION_INTERACTIVE, BOX, job_noop, &runs), 0);
	assert_int_equal(runs, 1);
	/* Both connections end behind their next answer, then the server is back. */
	atomic_store(&outage.down, true);
	assert_int_equal(session_run(session, SESSION_INTERACTIVE, BOX, job_noop, &runs), 0);
	atomic_store(&outage.down, false);
	assert_int_equal(session_run(session, SESSION_INTERACTIVE, SLICE_NIL, job_noop, &runs), 0);
	session_status_get(session, &status);
	assert_string_equal(status.state, "connected");
	session_close(&session);
	peer_stop(peer);
}

static int job_break(struct lease *lease, void *user)
{
	++*(int *)user;
	/* The script closes on this. */
	return imap_noop(lease_conn(lease));
}

static void s_closes_on_noop(struct peer_link *link, unsigned nth, void *user)
{
	if (peer_greet(link))
		while (peer_serve_but(link, "NOOP"))
			;
}

static void work_is_not_repeated_for_ever(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_closes_on_noop, NULL);
	struct session *session = open_good(peer, 1);
	struct session_status status;
	int runs = 0;

	assert_int_equal(session_run(session, SESSION_INTERACTIVE, BOX, job_break, &runs),
			 -ECONNRESET);
	assert_int_equal(runs, 2);
	session_status_get(session, &status);
	assert_non_null(strstr(status.last_error, "closed the connection"));
	assert_true(status.last_error_s > 0);
	session_close(&session);
	peer_stop(peer);
}

static void a_lost_server_fails_fast_and_comes_back(void **state)
{
	struct outage outage = { .down = false };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_outage, &outage);
	struct session *session = open_good(peer, 1);
	struct session_status status;
	struct lease *lease;
	int64_t start;
	int runs = 0, err;

	atomic_store(&outage.down, true);
	assert_int_equal(session_run(session, SESSION_INTERACTIVE, BOX, job_noop, &runs),
			 -ENOTCONN);
	/* The first waited for a reconnect; those behind it do not. */
	start = clock_ms();
	for (int i = 0; i < 5; i++)
		assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease),
				 -ENOTCONN);
	assert_true(clock_ms() - start < 500);
	session_status_get(session, &status);
	assert_string_not_equal(status.state, "connected");
	assert_string_not_equal(status.last_error, "");
	/* Nobody asks, and still it comes back. */
	atomic_store(&outage.down, false);
	start = clock_ms();
	do {
		usleep(20000);
		err = session_run(session, SESSION_INTERACTIVE, BOX, job_noop, &runs);
	} while (err == -ENOTCONN && clock_ms() - start < 20000);
	assert_int_equal(err, 0);
	session_close(&session);
	peer_stop(peer);
}

static void the_first_waits_for_the_reconnect(void **state)
{
	struct outage outage = { .down = false };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_outage, &outage);
	struct session_params params = params_for(peer, 1);
	atomic_int order = 0;
	struct session *session = NULL;
	struct taker taker;
	char *error = NULL;
	pthread_t thread;
	struct lease *lease;

	params.conn.timeout_ms = 20000;
	assert_int_equal(session_open(&params, &session, &error), 0);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease), 0);
	atomic_store(&outage.down, true);
	imap_noop(lease_conn(lease)); /* the last answer */
	assert_int_equal(imap_noop(lease_conn(lease)), -ECONNRESET);
	lease_return(&lease);
	taker = (struct taker){ session, SESSION_INTERACTIVE, -1, &order, -1 };
	pthread_create(&thread, NULL, take, &taker);
	usleep(300000);
	atomic_store(&outage.down, false);
	pthread_join(thread, NULL);
	assert_int_equal(taker.result, 0);
	session_close(&session);
	peer_stop(peer);
}

static void a_cap_of_the_server_is_accepted(void **state)
{
	struct outage outage = { .down = false };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_outage, &outage);
	struct session *session = open_good(peer, 4);
	struct lease *first, *second, *third;
	struct session_status status;

	await_connections(session, 2);
	atomic_store(&outage.full, true);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &first), 0);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &second), 0);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &third), -ETIMEDOUT);
	session_status_get(session, &status);
	assert_string_equal(status.state, "connected");
	assert_non_null(strstr(status.last_error, "too many connections"));
	lease_return(&first);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &third), 0);
	lease_return(&second);
	lease_return(&third);
	assert_int_equal(peer_connections(peer), 3);
	session_close(&session);
	peer_stop(peer);
}

/* ---- silence --------------------------------------------------------------- */

/* What a server does from now on, on connections old and new. */
struct mood {
	atomic_bool mute;         /* nothing more is said, also to those who connect */
	atomic_bool mute_logins;  /* the same, from LOGIN on */
	atomic_bool mute_noop;    /* all but NOOP is answered */
	atomic_bool mute_examine; /* all but EXAMINE is answered */
	atomic_bool shut;         /* who connects is turned away, those inside stay */
};

/* Until it is over; the connection ends then, as after a reboot. */
static void stay_mute(const atomic_bool *mute)
{
	while (atomic_load(mute))
		usleep(5000);
}

static void s_mood(struct peer_link *link, unsigned nth, void *user)
{
	struct mood *mood = user;
	char tag[32], line[1000];

	if (atomic_load(&mood->shut))
		return;
	if (atomic_load(&mood->mute))
		stay_mute(&mood->mute);
	if (!peer_greet(link))
		return;
	while (peer_command(link, tag, line, sizeof(line))) {
		const atomic_bool *mute = &mood->mute;

		if (atomic_load(&mood->mute_logins))
			mute = &mood->mute_logins;
		else if (!strcmp(line, "NOOP") && atomic_load(&mood->mute_noop))
			mute = &mood->mute_noop;
		else if (!strncmp(line, "EXAMINE", 7) && atomic_load(&mood->mute_examine))
			mute = &mood->mute_examine;
		if (atomic_load(mute)) {
			stay_mute(mute);
			return;
		}
		if (!peer_answer(link, tag, line))
			return;
	}
}

static void assert_took(int64_t start_ms, int64_t most_ms)
{
	int64_t took_ms = clock_ms() - start_ms;

	if (took_ms > most_ms)
		fail_msg("%lld ms instead of at most %lld", (long long)took_ms, (long long)most_ms);
}

#define AT_ONCE_MS 300
/* What a person may have to wait when all goes wrong, and what the machine adds. */
#define LONG_MS (TIMEOUT_MS * 2 + TIMEOUT_MS / 4)

/* Nobody waits any more, and it comes back by itself. */
static void fails_at_once_and_comes_back(struct session *session, atomic_bool *trouble)
{
	int64_t start = clock_ms();
	struct lease *lease;
	int runs = 0, err;

	for (int i = 0; i < 5; i++)
		assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease),
				 -ENOTCONN);
	assert_took(start, AT_ONCE_MS);
	atomic_store(trouble, false);
	start = clock_ms();
	do {
		usleep(20000);
		err = session_run(session, SESSION_INTERACTIVE, BOX, job_noop, &runs);
	} while (err == -ENOTCONN && clock_ms() - start < 20000);
	assert_int_equal(err, 0);
	assert_took(start, 6000);
}

static void silence_under_a_reader_ends_soon(void **state)
{
	struct mood mood = { .mute = false };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_mood, &mood);
	struct session *session = open_good(peer, 4);
	int runs = 0;
	int64_t start;

	await_connections(session, 2);
	assert_int_equal(session_run(session, SESSION_INTERACTIVE, BOX, job_noop, &runs), 0);
	atomic_store(&mood.mute, true);
	start = clock_ms();
	assert_int_equal(session_run(session, SESSION_INTERACTIVE, BOX, job_noop, &runs),
			 -ENOTCONN);
	assert_took(start, LONG_MS);
	assert_true(clock_ms() - start >= TIMEOUT_MS); /* not before its time either */
	assert_int_equal(runs, 2);
	fails_at_once_and_comes_back(session, &mood.mute);
	session_close(&session);
	peer_stop(peer);
}

static void silence_in_examine_ends_soon(void **state)
{
	struct mood mood = { .mute = false };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_mood, &mood);
	struct session *session = open_good(peer, 4);
	struct lease *lease;
	int64_t start;

	await_connections(session, 2);
	atomic_store(&mood.mute, true);
	start = clock_ms();
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease), -ENOTCONN);
	assert_took(start, LONG_MS);
	fails_at_once_and_comes_back(session, &mood.mute);
	session_close(&session);
	peer_stop(peer);
}

/* It lets in whoever comes, and opens no mailbox. */
static void a_mailbox_that_never_opens_ends_the_wait(void **state)
{
	struct mood mood = { .mute_examine = true };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_mood, &mood);
	struct session *session = open_good(peer, 2);
	struct lease *lease;
	int64_t start = clock_ms();
	int runs = 0;

	assert_int_not_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease), 0);
	assert_took(start, LONG_MS);
	assert_int_equal(session_run(session, SESSION_INTERACTIVE, SLICE_NIL, job_noop, &runs), 0);
	atomic_store(&mood.mute_examine, false);
	session_close(&session);
	peer_stop(peer);
}

/* It lets in whoever comes, and does not work. */
static void work_that_is_never_answered_ends(void **state)
{
	struct mood mood = { .mute_noop = true };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_mood, &mood);
	struct session *session = open_good(peer, 2);
	int64_t start = clock_ms();
	int runs = 0;

	assert_int_equal(session_run(session, SESSION_INTERACTIVE, BOX, job_noop, &runs),
			 -ETIMEDOUT);
	assert_took(start, LONG_MS);
	assert_int_equal(runs, 2);
	atomic_store(&mood.mute_noop, false);
	session_close(&session);
	peer_stop(peer);
}

static void a_login_without_an_answer_ends_soon(void **state)
{
	struct mood mood = { .mute = false };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_mood, &mood);
	struct session *session = open_good(peer, 1);
	int64_t start;
	int runs = 0;

	atomic_store(&mood.mute_logins, true);
	start = clock_ms();
	assert_int_equal(session_run(session, SESSION_INTERACTIVE, BOX, job_noop, &runs),
			 -ENOTCONN);
	assert_took(start, LONG_MS);
	fails_at_once_and_comes_back(session, &mood.mute_logins);
	session_close(&session);
	peer_stop(peer);
}

struct reader {
	struct session *session;
	int64_t took_ms;
	int result;
};

static void *read_once(void *arg)
{
	struct reader *reader = arg;
	int64_t start = clock_ms();
	int runs = 0;

	reader->result = session_run(reader->session, SESSION_INTERACTIVE, BOX, job_noop, &runs);
	reader->took_ms = clock_ms() - start;
	return NULL;
}

/* More readers than connections, and each begins when another one is waiting already. */
static void readers_search_together(void **state)
{
	struct mood mood = { .mute = false };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_mood, &mood);
	struct session *session = open_good(peer, 2);
	struct reader readers[6];
	pthread_t threads[6];
	int64_t start;

	await_connections(session, 2);
	atomic_store(&mood.mute, true);
	start = clock_ms();
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		readers[i] = (struct reader){ .session = session };
		pthread_create(&threads[i], NULL, read_once, &readers[i]);
		usleep(TIMEOUT_MS * 1000 / 5);
	}
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		pthread_join(threads[i], NULL);
		assert_int_not_equal(readers[i].result, 0);
		if (readers[i].took_ms > LONG_MS)
			fail_msg("reader %zu waited %lld ms", i, (long long)readers[i].took_ms);
	}
	/* The last one began at 1 timeout, and found the others at the end of their search. */
	assert_took(start, LONG_MS + TIMEOUT_MS / 4);
	fails_at_once_and_comes_back(session, &mood.mute);
	session_close(&session);
	peer_stop(peer);
}

/* Some servers say that there are too many connections by hanging up. */
static void what_is_open_still_serves_when_no_more_is_let_in(void **state)
{
	struct mood mood = { .mute = false };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_mood, &mood);
	struct session *session = open_good(peer, 3);
	struct session_status status;
	struct lease *leases[2], *third;
	int64_t start;
	int runs = 0, err;

	await_connections(session, 2);
	atomic_store(&mood.shut, true);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &leases[i]), 0);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &third), -ENOTCONN);
	for (size_t i = 0; i < 2; i++)
		lease_return(&leases[i]);
	start = clock_ms();
	do {
		usleep(20000);
		err = session_run(session, SESSION_INTERACTIVE, BOX, job_noop, &runs);
	} while (err == -ENOTCONN && clock_ms() - start < 10000);
	assert_int_equal(err, 0);
	session_status_get(session, &status);
	assert_int_equal(status.connections_max, 2);
	session_close(&session);
	peer_stop(peer);
}

static void a_cap_of_the_server_is_lifted_again(void **state)
{
	struct outage outage = { .down = false };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_outage, &outage);
	struct session_params params = params_for(peer, 4);
	struct session *session = NULL;
	struct session_status status;
	struct lease *leases[2], *third;
	char *error = NULL;
	int64_t start;

	params.conn.timeout_ms = 200;
	assert_int_equal(session_open(&params, &session, &error), 0);
	await_connections(session, 2);
	atomic_store(&outage.full, true);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &leases[i]), 0);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &third), -ETIMEDOUT);
	for (size_t i = 0; i < 2; i++)
		lease_return(&leases[i]);
	session_status_get(session, &status);
	assert_int_equal(status.connections_max, 2);
	atomic_store(&outage.full, false);
	start = clock_ms();
	do {
		usleep(20000);
		session_status_get(session, &status);
	} while (status.connections_max < 4 && clock_ms() - start < 15000);
	assert_int_equal(status.connections_max, 4);
	session_close(&session);
	peer_stop(peer);
}

static void a_password_that_became_wrong_is_not_tried_all_the_time(void **state)
{
	struct outage outage = { .down = false };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_outage, &outage);
	struct session *session = open_good(peer, 1);
	struct session_status status;
	struct lease *lease;
	int64_t start = clock_ms();
	unsigned before;
	int runs = 0;

	password_text = "wrong";
	atomic_store(&outage.down, true); /* ends the connection behind an answer */
	session_run(session, SESSION_INTERACTIVE, BOX, job_noop, &runs);
	atomic_store(&outage.down, false);
	while (session_lease(session, SESSION_INTERACTIVE, BOX, &lease) == -ENOTCONN &&
	       clock_ms() - start < 10000) {
		session_status_get(session, &status);
		if (strstr(status.last_error, "password"))
			break;
		usleep(10000);
	}
	assert_non_null(strstr(status.last_error, "password"));
	assert_string_equal(status.state, "disconnected");
	before = peer_connections(peer);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease),
				 -ENOTCONN);
		usleep(50000);
	}
	assert_true(peer_connections(peer) - before <= 2);
	password_text = "p";
	session_close(&session);
	peer_stop(peer);
}

/* ---- beginning without a server ----------------------------------------------- */

static void a_lost_start_becomes_a_good_one(void **state)
{
	struct outage outage = { .down = true };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_outage, &outage);
	struct session_params params = params_for(peer, 4);
	struct session_namespace spaces[4];
	struct session *session = NULL;
	struct session_status status;
	char *error = NULL;

	params.start = SESSION_START_LOST;
	assert_int_equal(session_open(&params, &session, &error), 0);
	assert_null(error);
	session_status_get(session, &status);
	assert_string_equal(status.state, "disconnected");
	assert_int_equal(session_namespaces(session, spaces, 4), 0);
	fails_at_once_and_comes_back(session, &outage.down);
	assert_int_equal(session_namespaces(session, spaces, 4), 2);
	session_status_get(session, &status);
	assert_string_equal(status.state, "connected");
	assert_string_equal(status.server, "Peer 1");
	assert_true(session_has(session, IMAP_CAP_UNSELECT));
	session_close(&session);
	peer_stop(peer);
}

static void offline_asks_nobody(void **state)
{
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_serve, NULL);
	struct session_params params = params_for(peer, 4);
	struct session *session = NULL;
	struct session_status status;
	struct lease *lease;
	char *error = NULL;

	params.start = SESSION_START_OFFLINE;
	assert_int_equal(session_open(&params, &session, &error), 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease),
				 -ENOTCONN);
		usleep(100000);
	}
	session_status_get(session, &status);
	assert_string_equal(status.state, "offline");
	assert_int_equal(peer_connections(peer), 0);
	session_stop(session);
	assert_int_equal(session_lease(session, SESSION_INTERACTIVE, BOX, &lease), -ECANCELED);
	session_close(&session);
	peer_stop(peer);
}

/* ---- many threads ---------------------------------------------------------- */

static void *worker(void *arg)
{
	struct session *session = arg;
	static const struct slice boxes[] = { SLICE_LIT("a"), SLICE_LIT("b"), { NULL, 0 } };
	int runs = 0;

	for (int i = 0; i < 40; i++)
		session_run(session, i % 3 ? SESSION_INTERACTIVE : SESSION_BACKGROUND, boxes[i % 3],
			    job_noop, &runs);
	return NULL;
}

static void many_threads_and_a_flapping_server(void **state)
{
	struct outage outage = { .down = false };
	struct peer *peer = peer_start(PEER_CERT_NONE, false, s_outage, &outage);
	struct session *session = open_good(peer, 3);
	struct session_status status;
	pthread_t threads[8];

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, worker, session);
	for (int i = 0; i < 3; i++) {
		usleep(10000);
		atomic_store(&outage.down, i % 2 == 0);
		session_status_get(session, &status);
		assert_true(status.connections <= 3);
	}
	atomic_store(&outage.down, false);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	session_status_get(session, &status);
	assert_int_equal(status.leased, 0);
	session_close(&session);
	peer_stop(peer);
}

static void backoff_grows_with_jitter(void **state)
{
	struct backoff backoff = { 0 };
	int64_t step = 1000;

	for (int i = 0; i < 10; i++) {
		int64_t wait = backoff_next_ms(&backoff);

		assert_in_range(wait, step / 2, step);
		step = step * 2 > 60000 ? 60000 : step * 2;
	}
	backoff_reset(&backoff);
	assert_in_range(backoff_next_ms(&backoff), 500, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opening_learns),
		cmocka_unit_test(a_wrong_password_is_said_at_once),
		cmocka_unit_test(leases_keep_the_mailbox),
		cmocka_unit_test(selected_follows_the_server),
		cmocka_unit_test(interactive_goes_first),
		cmocka_unit_test(the_last_connection_is_for_people),
		cmocka_unit_test(stop_ends_every_wait),
		cmocka_unit_test(unfinished_business_costs_the_connection),
		cmocka_unit_test(work_is_repeated_on_another_connection),
		cmocka_unit_test(work_is_not_repeated_for_ever),
		cmocka_unit_test(a_lost_server_fails_fast_and_comes_back),
		cmocka_unit_test(the_first_waits_for_the_reconnect),
		cmocka_unit_test(a_cap_of_the_server_is_accepted),
		cmocka_unit_test(silence_under_a_reader_ends_soon),
		cmocka_unit_test(silence_in_examine_ends_soon),
		cmocka_unit_test(a_mailbox_that_never_opens_ends_the_wait),
		cmocka_unit_test(work_that_is_never_answered_ends),
		cmocka_unit_test(a_login_without_an_answer_ends_soon),
		cmocka_unit_test(readers_search_together),
		cmocka_unit_test(what_is_open_still_serves_when_no_more_is_let_in),
		cmocka_unit_test(a_cap_of_the_server_is_lifted_again),
		cmocka_unit_test(a_password_that_became_wrong_is_not_tried_all_the_time),
		cmocka_unit_test(a_lost_start_becomes_a_good_one),
		cmocka_unit_test(offline_asks_nobody),
		cmocka_unit_test(many_threads_and_a_flapping_server),
		cmocka_unit_test(backoff_grows_with_jitter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
