/*
 * One SASL exchange (RFC 4422) from the client's side: base64 in, base64 out. Which
 * mechanism is tried when is login.c's.
 */
#ifndef IMAP_SASL_H
#define IMAP_SASL_H

#include <stdbool.h>

#include <imap/verb.h>

/* In the order in which "auto" prefers them. */
enum sasl_mechanism {
	SASL_SCRAM_SHA_256,
	SASL_SCRAM_SHA_1,
	SASL_CRAM_MD5,
	SASL_PLAIN,
	SASL_LOGIN,
	SASL_COUNT,
};

enum sasl_state {
	SASL_GOING,
	SASL_COMPLETE, /* all that the mechanism demands of the server was there */
	SASL_LOCAL,    /* cannot be done here (e.g. the password is no Unicode text) */
	SASL_ROGUE, /* the server does not keep to the mechanism, or does not know the password */
};

struct sasl;

const char *sasl_name(enum sasl_mechanism mechanism);
int sasl_new(enum sasl_mechanism mechanism, const struct imap_login *login, struct sasl **ret_sasl);
void sasl_free(struct sasl **sasl);

/* What may go along with AUTHENTICATE (RFC 4959), in base64, "=" for empty; NIL where the server begins. Borrowed. */
struct slice sasl_initial(struct sasl *sasl);
/* The go_on of a request; `user` is the struct sasl. */
bool sasl_go_on(void *user, struct slice challenge, struct slice *ret_reply);

enum sasl_state sasl_state(const struct sasl *sasl);
/* Why it is LOCAL or ROGUE: static text. */
const char *sasl_reason(const struct sasl *sasl);
/* Something was sent that depends on the password: a refusal may mean that it is wrong. */
bool sasl_proved(const struct sasl *sasl);

#endif
