/*
 * A scripted mail server on a loopback port, for tests of what real servers do rarely:
 * each connection runs the test's function on a thread of its own. Certificates are made
 * on the spot.
 */
#ifndef TESTS_SUPPORT_PEER_H
#define TESTS_SUPPORT_PEER_H

#include <stdbool.h>
#include <stddef.h>

struct peer;
struct peer_link;

enum peer_cert {
	PEER_CERT_NONE,       /* plain text */
	PEER_CERT_GOOD,       /* localhost and 127.0.0.1, by the authority of peer_ca_file() */
	PEER_CERT_WRONG_NAME, /* the same authority, for mail.example.org */
	PEER_CERT_NAME_ONLY,  /* localhost, but no address */
	PEER_CERT_WILDCARD,   /* *.example.org */
	PEER_CERT_EXPIRED,
	PEER_CERT_UNTRUSTED, /* by another authority */
	PEER_CERT_SELF_SIGNED,
};

/* `nth` counts the connections from 0. */
typedef void peer_script(struct peer_link *link, unsigned nth, void *user);

/* `implicit`: TLS begins at once; else peer_starttls() does it. */
struct peer *peer_start(enum peer_cert cert, bool implicit, peer_script *script, void *user);
void peer_stop(struct peer *peer); /* ends its connections too */
const char *peer_port(const struct peer *peer);
unsigned peer_connections(struct peer *peer);
const char *peer_ca_file(void);
/* "sha256:HEX" of the certificate. */
const char *peer_fingerprint(const struct peer *peer);

/* All return false once the client is gone. */
bool peer_say(struct peer_link *link, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool peer_send(struct peer_link *link, const void *data, size_t len);
bool peer_line(struct peer_link *link, char *line, size_t size); /* without CRLF */
/* A command: its tag, and the rest in `line`. */
bool peer_command(struct peer_link *link, char tag[static 32], char *line, size_t size);
bool peer_starttls(struct peer_link *link);
void peer_hang(struct peer_link *link);  /* until the client goes */
void peer_reset(struct peer_link *link); /* RST instead of FIN at the end */

/* Greeting, CAPABILITY, LOGIN u/p (NO else), ID, NAMESPACE, NOOP, EXAMINE (not of "absent"), LOGOUT; others are OK.
 * False when the client is gone or said LOGOUT. */
bool peer_greet(struct peer_link *link);
bool peer_serve_one(struct peer_link *link);
/* In two: peer_command(), then this. False also behind LOGOUT. */
bool peer_answer(struct peer_link *link, const char *tag, const char *line);
/* The same, but the command `word` ends the connection. */
bool peer_serve_but(struct peer_link *link, const char *word);
void peer_serve(struct peer_link *link);

#endif
