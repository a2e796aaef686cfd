/*
 * Logging in: which mechanism is tried, in which order, and when to stop trying. A
 * password that was refused is not offered again and again; a mechanism that the server
 * only pretends to have is passed over.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <imap/verb.h>

#include "command_impl.h"
#include "conn_impl.h"
#include "sasl.h"
#include "util/slice.h"

/* A mechanism that is not answered for so long is a pretended one (when there are others). */
#define MECHANISM_SILENCE_MS 5000
/* One way to log in. The bits of imap_login_memory are 1 << the index here. */
static const struct way {
	const char *name;
	int mechanism; /* enum sasl_mechanism; -1: the command LOGIN */
	int capability;
	enum { CHALLENGE, CHALLENGE_CLEAR, PASSWORD } kind; /* _CLEAR: of use only without TLS */
} ways[] = {
	{ "SCRAM-SHA-256", SASL_SCRAM_SHA_256, IMAP_CAP_AUTH_SCRAM_SHA_256, CHALLENGE },
	{ "SCRAM-SHA-1", SASL_SCRAM_SHA_1, IMAP_CAP_AUTH_SCRAM_SHA_1, CHALLENGE },
	{ "CRAM-MD5", SASL_CRAM_MD5, IMAP_CAP_AUTH_CRAM_MD5, CHALLENGE_CLEAR },
	{ "PLAIN", SASL_PLAIN, IMAP_CAP_AUTH_PLAIN, PASSWORD },
	{ "LOGIN", -1, -1, PASSWORD },
	{ "AUTHENTICATE LOGIN", SASL_LOGIN, IMAP_CAP_AUTH_LOGIN, PASSWORD },
};

struct attempt {
	struct imap_conn *conn;
	const struct imap_login *login;
	struct imap_answer answer; /* the last */
	bool proved;
	int64_t silence_ms;
};

static void attempt_say(struct attempt *attempt, const char *text)
{
	memset(&attempt->answer, 0, sizeof(attempt->answer));
	attempt->answer.status = IMAP_NO;
	snprintf(attempt->answer.text, sizeof(attempt->answer.text), "%s", text);
}

static bool way_offered(const struct imap_conn *conn, const struct way *way)
{
	const struct imap_capabilities *caps = imap_proto_capabilities(conn->proto);

	if (way->capability >= 0)
		return imap_has(caps, (enum imap_capability)way->capability);
	return !imap_has(caps, IMAP_CAP_LOGINDISABLED);
}

/* ---- one attempt ----------------------------------------------------------- */

static int attempt_run(struct attempt *attempt, struct imap_command **command,
		       struct imap_request *request)
{
	int err = imap_conn_send(attempt->conn, command, request);

	if (!err)
		err = conn_wait_silence(attempt->conn, request, attempt->silence_ms);
	if (!err)
		attempt->answer = request->answer;
	return err;
}

static int attempt_command(struct attempt *attempt)
{
	const struct imap_login *login = attempt->login;
	struct imap_command *command = imap_command_new("LOGIN");
	struct imap_request request = { .done = false };

	attempt->proved = true;
	imap_command_string(command, slice_of(login->user));
	imap_command_secret(command, login->password, login->password_len);
	return attempt_run(attempt, &command, &request);
}

static int sasl_outcome(struct attempt *attempt, const struct sasl *sasl)
{
	struct imap_conn *conn = attempt->conn;

	if (sasl_state(sasl) == SASL_ROGUE ||
	    (attempt->answer.status == IMAP_OK && sasl_state(sasl) != SASL_COMPLETE))
		return conn_fail(conn, -EPROTO, "%s:%s cannot be trusted with the password: %s",
				 conn->host, conn->port,
				 sasl_state(sasl) == SASL_ROGUE
					 ? sasl_reason(sasl)
					 : "it did not prove that it knows it");
	if (sasl_state(sasl) == SASL_LOCAL)
		attempt_say(attempt, sasl_reason(sasl));
	return 0;
}

static int attempt_sasl(struct attempt *attempt, enum sasl_mechanism mechanism)
{
	const struct imap_capabilities *caps = imap_proto_capabilities(attempt->conn->proto);
	struct imap_request request = { .go_on = sasl_go_on };
	struct imap_command *command;
	struct slice initial = SLICE_NIL;
	struct sasl *sasl;
	int err;

	err = sasl_new(mechanism, attempt->login, &sasl);
	if (err)
		return err;
	if (sasl_state(sasl) == SASL_LOCAL) {
		attempt_say(attempt, sasl_reason(sasl));
		sasl_free(&sasl);
		return 0;
	}
	request.user = sasl;
	command = imap_command_new("AUTHENTICATE");
	imap_command_atom(command, sasl_name(mechanism));
	if (imap_has(caps, IMAP_CAP_SASL_IR))
		initial = sasl_initial(sasl);
	if (initial.ptr)
		imap_command_secret_atom(command, initial);
	err = attempt_run(attempt, &command, &request);
	attempt->proved = sasl_proved(sasl);
	if (!err) {
		err = sasl_outcome(attempt, sasl);
	} else if (sasl_state(sasl) == SASL_ROGUE) {
		attempt_say(attempt, sasl_reason(sasl));
		err = -EPROTO;
	}
	sasl_free(&sasl);
	return err;
}

/* 0 with attempt->answer, or a final error. */
static int attempt_way(struct attempt *attempt, const struct way *way)
{
	struct imap_conn *conn = attempt->conn;
	int err;

	attempt->proved = false;
	if (conn->trace)
		trace_hide(conn->trace, true);
	if (way->mechanism < 0)
		err = attempt_command(attempt);
	else
		err = attempt_sasl(attempt, (enum sasl_mechanism)way->mechanism);
	if (conn->trace)
		trace_hide(conn->trace, false);
	return err;
}

/* What a refusal means: -EACCES and -EREMOTEIO end the trying, 0 goes on. */
static int refusal(const struct imap_answer *answer)
{
	switch (answer->code) {
	case IMAP_CODE_AUTHENTICATIONFAILED:
	case IMAP_CODE_AUTHORIZATIONFAILED:
	case IMAP_CODE_EXPIRED:
	case IMAP_CODE_PRIVACYREQUIRED:
	case IMAP_CODE_CONTACTADMIN:
	case IMAP_CODE_NOPERM: return -EACCES;
	case IMAP_CODE_UNAVAILABLE:
	case IMAP_CODE_LIMIT:
	case IMAP_CODE_INUSE:
	case IMAP_CODE_SERVERBUG: return -EREMOTEIO;
	default: return 0;
	}
}

/* ---- the order ------------------------------------------------------------- */

static bool way_usable(const struct attempt *attempt, size_t i, uint32_t failed)
{
	const struct imap_capabilities *caps = imap_proto_capabilities(attempt->conn->proto);
	const struct way *way = &ways[i];

	if (failed & 1u << i || !way_offered(attempt->conn, way))
		return false;
	/* The mechanism LOGIN has nothing that the command has not. */
	if (way->mechanism == SASL_LOGIN && !imap_has(caps, IMAP_CAP_LOGINDISABLED))
		return false;
	/* Only SASL can say for whom one acts. */
	if (way->mechanism < 0 && attempt->login->authzid)
		return false;
	return way->kind != CHALLENGE_CLEAR || !attempt->conn->secured;
}

/* The index of the next way, or -1. */
static int way_next(const struct attempt *attempt, uint32_t failed, uint32_t preferred)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (preferred & 1u << i && way_usable(attempt, i, failed))
			return (int)i;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (way_usable(attempt, i, failed))
			return (int)i;
	return -1;
}

/* What not to try after `i` was refused: a server that could not check the password by one challenge (it may store only
 * a hash) can by no other, and a wrong password is not to be offered five times. */
static uint32_t refused_bits(int i, bool proved)
{
	uint32_t bits = 1u << i;

	for (size_t k = 0; k < ARRAY_SIZE(ways); k++)
		if (proved && ways[i].kind != PASSWORD && ways[k].kind != PASSWORD)
			bits |= 1u << k;
	return bits;
}

static int login_auto(struct attempt *attempt, struct imap_login_memory *memory)
{
	uint32_t failed = memory->failed; /* with those refused for what may be a wrong password */
	int64_t patience = attempt->silence_ms;
	int i, err;

	attempt_say(attempt, "the server offers no way to log in that can be used here");
	err = -EPERM;
	while ((i = way_next(attempt, failed, memory->worked)) >= 0) {
		uint32_t bit = 1u << i;

		attempt->silence_ms = patience;
		if (way_next(attempt, failed | bit, 0) >= 0 && memory->worked != bit)
			attempt->silence_ms = patience > 2 * MECHANISM_SILENCE_MS
						      ? MECHANISM_SILENCE_MS
						      : patience / 2;
		err = attempt_way(attempt, &ways[i]);
		if (err == -ETIMEDOUT && attempt->silence_ms < patience)
			memory->failed |= bit;
		if (err)
			return err;
		if (attempt->answer.status == IMAP_OK) {
			memory->worked = bit;
			return 0;
		}
		err = refusal(&attempt->answer);
		if (err)
			return err;
		failed |= refused_bits(i, attempt->proved);
		if (!attempt->proved)
			memory->failed |= bit;
		err = -EACCES;
	}
	return err;
}

static int login_named(struct attempt *attempt, const char *name)
{
	char text[200];
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!slice_caseeqs(slice_of(name), ways[i].name))
			continue;
		if (!way_offered(attempt->conn, &ways[i])) {
			/* The command may be disabled while the mechanism of that name is not. */
			if (ways[i].mechanism < 0 && way_offered(attempt->conn, &ways[i + 1]))
				i++;
			else
				break;
		}
		err = attempt_way(attempt, &ways[i]);
		if (err || attempt->answer.status == IMAP_OK)
			return err;
		err = refusal(&attempt->answer);
		return err ? err : -EACCES;
	}
	snprintf(text, sizeof(text), "auth=%.40s is not offered by the server, or not known here",
		 name);
	attempt_say(attempt, text);
	return -EPERM;
}

/* ---- all of it ------------------------------------------------------------- */

static int login_check(struct attempt *attempt)
{
	const struct imap_login *login = attempt->login;

	if (!attempt->conn->secured && !attempt->conn->loopback) {
		attempt_say(attempt, "a password does not leave this machine without TLS");
		return -EPERM;
	}
	if (login->password_len && memchr(login->password, '\0', login->password_len)) {
		attempt_say(attempt,
			    "the password contains a NUL byte, which no mechanism can send");
		return -EACCES;
	}
	return 0;
}

int imap_login(struct imap_conn *conn, const struct imap_login *login,
	       struct imap_answer *ret_answer)
{
	struct imap_capabilities *caps = imap_conn_capabilities(conn);
	struct attempt attempt = { .conn = conn, .login = login, .silence_ms = conn->timeout_ms };
	struct imap_login_memory forgotten = { 0 };
	int err = 0;

	if (!conn->preauth)
		err = login_check(&attempt);
	if (!err && !conn->preauth) {
		/* To see whether the server tells the new ones by itself; the old ones still hold until then. */
		caps->known = false;
		if (!login->mechanism || slice_caseeqs(slice_of(login->mechanism), "auto"))
			err = login_auto(&attempt, login->memory ? login->memory : &forgotten);
		else
			err = login_named(&attempt, login->mechanism);
		if (err)
			caps->known = true;
	}
	if (!err && !caps->known)
		err = imap_capability(conn);
	if (ret_answer)
		*ret_answer = attempt.answer;
	return err;
}
