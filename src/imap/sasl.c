/*
 * The mechanisms. PLAIN and LOGIN are a few bytes and made here; SCRAM and CRAM-MD5 are
 * GNU SASL's. Checked here besides: that a server's SCRAM iteration count is neither a
 * give-away nor an attack on our processor, and that it proved itself before it counts.
 */
#include "sasl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gsasl.h>

#include "util/num.h"
#include "util/secret.h"
#include "util/slice.h"

/* RFC 5802 §5.1 and RFC 7677 §4: at least 4096. A million takes about a second. */
#define SCRAM_ITERATIONS_MIN 4096
#define SCRAM_ITERATIONS_MAX 1000000
#define CHALLENGE_MAX 8192

struct sasl {
	enum sasl_mechanism mechanism;
	const struct imap_login *login; /* the caller's, as long as this */
	Gsasl *context;
	Gsasl_session *session;
	char *initial;  /* base64; NULL: the server begins */
	char *reply;    /* base64, the last */
	unsigned steps; /* challenges answered */
	bool initial_sent, proved;
	enum sasl_state state;
	const char *reason;
};

static const char *const names[SASL_COUNT] = {
	[SASL_SCRAM_SHA_256] = "SCRAM-SHA-256",
	[SASL_SCRAM_SHA_1] = "SCRAM-SHA-1",
	[SASL_CRAM_MD5] = "CRAM-MD5",
	[SASL_PLAIN] = "PLAIN",
	[SASL_LOGIN] = "LOGIN",
};

const char *sasl_name(enum sasl_mechanism mechanism)
{
	return names[mechanism];
}

static void text_free(char **text)
{
	if (*text)
		secret_wipe(*text, strlen(*text));
	gsasl_free(*text);
	*text = NULL;
}

static char *to_base64(const void *data, size_t len)
{
	char *text;

	return gsasl_base64_to(data, len, &text, NULL) == GSASL_OK ? text : NULL;
}

static bool is_scram(const struct sasl *sasl)
{
	return sasl->mechanism == SASL_SCRAM_SHA_256 || sasl->mechanism == SASL_SCRAM_SHA_1;
}

static bool sasl_end(struct sasl *sasl, enum sasl_state state, const char *reason)
{
	sasl->state = state;
	sasl->reason = reason;
	return false;
}

/* ---- life ------------------------------------------------------------------ */

/* RFC 4616: authzid NUL user NUL password. */
static char *plain_message(const struct imap_login *login)
{
	size_t authzid_len = login->authzid ? strlen(login->authzid) : 0,
	       user_len = strlen(login->user);
	size_t len = authzid_len + 1 + user_len + 1 + login->password_len;
	char *message = malloc(len), *text;

	if (!message)
		return NULL;
	if (authzid_len)
		memcpy(message, login->authzid, authzid_len);
	message[authzid_len] = '\0';
	memcpy(message + authzid_len + 1, login->user, user_len);
	message[authzid_len + 1 + user_len] = '\0';
	if (login->password_len)
		memcpy(message + authzid_len + user_len + 2, login->password, login->password_len);
	text = to_base64(message, len);
	secret_wipe(message, len);
	free(message);
	return text;
}

static int gsasl_set(struct sasl *sasl, Gsasl_property property, const void *data, size_t len)
{
	return gsasl_property_set_raw(sasl->session, property, data, len) == GSASL_OK ? 0 : -ENOMEM;
}

static int gsasl_begin(struct sasl *sasl)
{
	const struct imap_login *login = sasl->login;
	int err;

	if (gsasl_init(&sasl->context) != GSASL_OK)
		return -ENOMEM;
	if (gsasl_client_start(sasl->context, names[sasl->mechanism], &sasl->session) != GSASL_OK) {
		sasl_end(sasl, SASL_LOCAL, "not supported here");
		return 0;
	}
	err = gsasl_set(sasl, GSASL_AUTHID, login->user, strlen(login->user));
	if (!err && login->authzid)
		err = gsasl_set(sasl, GSASL_AUTHZID, login->authzid, strlen(login->authzid));
	if (!err)
		err = gsasl_set(sasl, GSASL_PASSWORD, login->password, login->password_len);
	if (!err && is_scram(sasl) &&
	    gsasl_step64(sasl->session, "", &sasl->initial) != GSASL_NEEDS_MORE)
		sasl_end(sasl, SASL_LOCAL, "the user name is not Unicode text that SASL allows");
	return err;
}

int sasl_new(enum sasl_mechanism mechanism, const struct imap_login *login, struct sasl **ret_sasl)
{
	struct sasl *sasl = calloc(1, sizeof(*sasl));
	int err = 0;

	if (!sasl)
		return -ENOMEM;
	sasl->mechanism = mechanism;
	sasl->login = login;
	if (mechanism == SASL_PLAIN) {
		sasl->initial = plain_message(login);
		err = sasl->initial ? 0 : -ENOMEM;
		sasl->state = SASL_COMPLETE; /* the server has nothing to prove */
	} else if (mechanism == SASL_LOGIN) {
		sasl->state = SASL_COMPLETE;
	} else {
		err = gsasl_begin(sasl);
	}
	if (err) {
		sasl_free(&sasl);
		return err;
	}
	*ret_sasl = sasl;
	return 0;
}

void sasl_free(struct sasl **sasl)
{
	struct sasl *s = *sasl;

	if (!s)
		return;
	text_free(&s->initial);
	text_free(&s->reply);
	if (s->session)
		gsasl_finish(s->session);
	if (s->context)
		gsasl_done(s->context);
	free(s);
	*sasl = NULL;
}

/* ---- steps ----------------------------------------------------------------- */

struct slice sasl_initial(struct sasl *sasl)
{
	if (!sasl->initial)
		return SLICE_NIL;
	sasl->initial_sent = true;
	if (sasl->mechanism == SASL_PLAIN)
		sasl->proved = true;
	return sasl->initial[0] ? slice_of(sasl->initial) : SLICE_LIT("=");
}

/* The server's part of SCRAM, before GNU SASL believes it. */
static bool scram_check(struct sasl *sasl, const char *challenge)
{
	struct slice number = SLICE_NIL;
	uint32_t iterations;
	const char *found;
	char *text;
	size_t len;
	bool good = true;

	if (gsasl_base64_from(challenge, strlen(challenge), &text, &len) != GSASL_OK)
		return sasl_end(sasl, SASL_ROGUE, "what it sent is not base64");
	if (slice_starts((struct slice){ text, len }, SLICE_LIT("e="))) {
		gsasl_free(text);
		sasl->reason = "refused";
		return false; /* RFC 5802 §7: an ordinary refusal; the answer tells the rest */
	}
	found = sasl->steps == 0 ? memmem(text, len, ",i=", 3) : NULL;
	if (found) {
		number.ptr = found + 3;
		while (number.ptr + number.len < text + len && number.ptr[number.len] != ',')
			number.len++;
		good = !num_u32(number, &iterations) && iterations >= SCRAM_ITERATIONS_MIN &&
		       iterations <= SCRAM_ITERATIONS_MAX;
	}
	gsasl_free(text);
	return good || sasl_end(sasl, SASL_ROGUE, "its SCRAM iteration count is out of bounds");
}

static bool gsasl_go_on(struct sasl *sasl, const char *challenge)
{
	int result;

	if (is_scram(sasl) && !scram_check(sasl, challenge))
		return false;
	result = gsasl_step64(sasl->session, challenge, &sasl->reply);
	if (result == GSASL_OK) {
		sasl->proved = true;
		sasl->state = SASL_COMPLETE;
		return true;
	}
	if (result == GSASL_NEEDS_MORE) {
		sasl->proved = true;
		return true;
	}
	if (result == GSASL_SASLPREP_ERROR)
		return sasl_end(sasl, SASL_LOCAL,
				"the password is not Unicode text that SASL allows");
	return sasl_end(sasl, SASL_ROGUE, "it does not prove that it knows the password");
}

/* "Username:" and "Password:", whatever the words are. */
static bool login_go_on(struct sasl *sasl)
{
	const struct imap_login *login = sasl->login;

	if (sasl->steps == 0) {
		sasl->reply = to_base64(login->user, strlen(login->user));
	} else if (sasl->steps == 1) {
		sasl->reply = to_base64(login->password, login->password_len);
		sasl->proved = true;
	}
	return sasl->reply != NULL;
}

bool sasl_go_on(void *user, struct slice challenge, struct slice *ret_reply)
{
	struct sasl *sasl = user;
	char *text;
	bool good;

	if (sasl->state == SASL_LOCAL || sasl->state == SASL_ROGUE)
		return false;
	if (sasl->initial && !sasl->initial_sent) {
		*ret_reply = sasl_initial(sasl);
		if (slice_eqs(*ret_reply, "="))
			ret_reply->len = 0;
		return true;
	}
	if (sasl->mechanism == SASL_PLAIN)
		return false; /* there is no second step */
	if (challenge.len > CHALLENGE_MAX)
		return sasl_end(sasl, SASL_ROGUE, "what it sent is too long");
	text = slice_dup(slice_trim(challenge));
	if (!text)
		return sasl_end(sasl, SASL_LOCAL, "out of memory");
	text_free(&sasl->reply);
	good = sasl->mechanism == SASL_LOGIN ? login_go_on(sasl) : gsasl_go_on(sasl, text);
	free(text);
	sasl->steps++;
	if (good)
		*ret_reply = slice_of(sasl->reply);
	return good;
}

enum sasl_state sasl_state(const struct sasl *sasl)
{
	return sasl->state;
}

const char *sasl_reason(const struct sasl *sasl)
{
	return sasl->reason ? sasl->reason : "";
}

bool sasl_proved(const struct sasl *sasl)
{
	return sasl->proved;
}
