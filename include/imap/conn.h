/*
 * A connection: the machine of proto.h on a stack of streams (tcp, tls), with
 * deadlines. One thread at a time. Every wait ends: by the answer, by `timeout_ms`
 * of silence in both directions, or because `stop_fd` became readable.
 */
#ifndef IMAP_CONN_H
#define IMAP_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include <imap/proto.h>

enum imap_tls_mode {
	IMAP_TLS_IMPLICIT, /* port 993 */
	IMAP_TLS_STARTTLS, /* port 143, required */
	IMAP_TLS_OFF,      /* loopback addresses alone */
};

struct imap_conn_params {
	const char *host, *port;
	enum imap_tls_mode tls;
	const char *ca_file, *ca_dir; /* NULL: the system's store */
	const char *
		fingerprint; /* "sha256:HEX": pins the certificate, replaces chain and name checks; or NULL */
	const char *cert_file, *key_file; /* client certificate, or NULL */
	const char *trace_path;           /* secrets masked; or NULL */
	const char *disable;              /* "CAP,CAP" or NULL */
	int timeout_ms;
	int stop_fd; /* readable: every wait ends with -ECANCELED; -1: none */
};

struct imap_conn;

/*
 * Connects (every address of the host, happy eyeballs), starts TLS as `tls` says and
 * waits for the greeting; STARTTLS is done here too. The capabilities are known
 * afterwards. On failure *ret_error (owned, may be NULL) is one line for a person:
 * what failed, why, what to do; nothing of what the server said before TLS is in it.
 * -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH, -ENOENT (no such host), -EKEYREJECTED (certificate), -EPROTO (not a mail
 * server, or one that breaks the protocol), -ECONNRESET, -EPERM (policy: no STARTTLS, plain text off loopback), -ECANCELED.
 */
int imap_conn_open(const struct imap_conn_params *params, struct imap_conn **ret_conn,
		   char **ret_error);
/* Closes at once, no LOGOUT (see imap_conn_logout). */
void imap_conn_free(struct imap_conn **conn);

/* Handler of events that no request keeps (EXISTS, EXPUNGE, alerts). */
void imap_conn_on_event(struct imap_conn *conn,
			bool (*event)(void *user, const struct imap_event *event), void *user);

/* Queues a command (takes it); waits only when the send buffer is full. */
int imap_conn_send(struct imap_conn *conn, struct imap_command **command,
		   struct imap_request *request);
/* Until request->done. 0 (see request->answer for OK, NO, BAD), or a final error: -ETIMEDOUT, -ECONNRESET (closed, BYE),
 * -EPROTO, -EMSGSIZE, -ECANCELED. `patience` multiplies the timeout (1). */
int imap_conn_wait(struct imap_conn *conn, struct imap_request *request, int patience);
/* Send and wait: 0 with request->answer, or a final error. */
int imap_conn_run(struct imap_conn *conn, struct imap_command **command,
		  struct imap_request *request, int patience);

bool imap_conn_alive(const struct imap_conn *conn); /* no final error so far */
/* Without waiting: reads what has come (unsolicited data, a BYE). 0 or the final error. */
int imap_conn_poll(struct imap_conn *conn);
int imap_conn_fd(const struct imap_conn *conn);
/* From now on; imap_conn_params.timeout_ms until then. */
void imap_conn_set_timeout(struct imap_conn *conn, int timeout_ms);
/* Commands that were sent and are not answered yet. */
size_t imap_conn_outstanding(const struct imap_conn *conn);

struct imap_capabilities *imap_conn_capabilities(struct imap_conn *conn);
/* The final error as a person reads it, e.g. "the server closed the connection: <its words>". "" while alive. */
const char *imap_conn_error(const struct imap_conn *conn);

struct imap_conn_facts {
	bool secured;
	const char *tls_version, *tls_cipher, *peer; /* borrowed; "" without TLS */
	uint64_t bytes_in, bytes_out, skipped;
	int64_t heard_ms; /* clock_ms() of the last byte that came */
	bool loopback;
};
void imap_conn_facts_get(struct imap_conn *conn, struct imap_conn_facts *ret_facts);

#endif
