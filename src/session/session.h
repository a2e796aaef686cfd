/*
 * One account: credentials, a pool of connections, and the only place that retries.
 *
 * A lease gives one thread one connection, with a mailbox examined (or none). A lease
 * prefers a connection that has the mailbox open already. Interactive leases go before
 * background ones, and the last free connection is kept for interactive work. A broken
 * connection is thrown away when its lease ends.
 *
 * Reachability: once a connection broke, all who need the server share one deadline, `timeout` later, to
 * find it again; from then until a connection succeeds leases fail at once with -ENOTCONN while a thread
 * of the session's own tries again, with jittered back-off (1 s ... 60 s), sooner when somebody asks.
 *
 * Threads: any, one lease each.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <imap/conn.h>
#include <imap/verb.h>

#include "util/secret.h"

struct session;
struct lease;

enum session_start {
	SESSION_START_CONNECTED, /* connects once and logs in, or fails */
	SESSION_START_LOST,      /* as if the server had just been lost: only the thread tries */
	SESSION_START_OFFLINE,   /* no network, ever: each lease fails */
};

struct session_params {
	enum session_start start;
	struct imap_conn_params
		conn; /* strings must outlive the session; stop_fd is the session's own */
	const char *user;
	const char *auth;    /* mechanism, "auto" */
	const char *authzid; /* or NULL */
	/* Asked for before each login; owned by the caller of it. 0 or -errno with a line in *ret_error (owned). */
	int (*password)(void *user, struct secret **ret_password, char **ret_error);
	void *password_user;
	size_t connections; /* at most */
};

/* 0, or -errno with one line for a person in *ret_error (owned). -EACCES: credentials refused, or there are none. */
int session_open(const struct session_params *params, struct session **ret_session,
		 char **ret_error);
/* Ends every wait of every lease with -ECANCELED; leases may still be returned. */
void session_stop(struct session *session);
/* After all leases are back: LOGOUT on idle connections, frees. */
void session_close(struct session **session);

enum session_priority { SESSION_INTERACTIVE, SESSION_BACKGROUND };

/* `mailbox` (wire name) is examined, or SLICE_NIL: any connection (one with no mailbox is preferred). Waits for a free connection, connects, logs in, examines, within
 * `timeout`. 0; -ENOTCONN; -ENOENT / -EACCES / -EIO: the server refused the mailbox; -ECANCELED; -ETIMEDOUT. */
int session_lease(struct session *session, enum session_priority priority, struct slice mailbox,
		  struct lease **ret_lease);
struct imap_conn *lease_conn(struct lease *lease);
/* What EXAMINE said, NULL without a mailbox; kept up to date by EXISTS/RECENT/EXPUNGE since (exists, recent). */
const struct imap_selected *lease_selected(const struct lease *lease);
/* True when the lease's EXAMINE was made just now for this lease: no need to ask what changed since. */
bool lease_fresh(const struct lease *lease);
/* Examines the mailbox once more, for numbers that events do not bring (HIGHESTMODSEQ). 0, or as session_lease(). */
int lease_refresh(struct lease *lease);
void lease_return(struct lease **lease);

/*
 * Runs `fn` with a lease and runs it again on another connection when the first one broke in the middle (connection scope: -ECONNRESET,
 * -ETIMEDOUT, -EPROTO, -EMSGSIZE): for work that is safe to repeat, which is all reading. `fn` returns 0 or -errno; what it got so
 * far it keeps or throws away itself. At most two tries, and not after session_stop(). After a silence (which took a `timeout`
 * already) there is a second one only if its lease is had within half a `timeout`, the wait for the first lease included.
 */
int session_run(struct session *session, enum session_priority priority, struct slice mailbox,
		int (*fn)(struct lease *lease, void *user), void *user);

/* NAMESPACE of the account, learnt at the first login; none before. */
struct session_namespace {
	int kind; /* IMAP_NAMESPACE_* */
	char delimiter;
	char prefix[512]; /* wire */
};
size_t session_namespaces(struct session *session, struct session_namespace *ret_items, size_t max);
bool session_has(struct session *session, enum imap_capability cap);

struct session_status {
	const char *state; /* "connected", "connecting", "disconnected", "offline" */
	char server[256];  /* ID name and version, or the greeting's host */
	char tls[128];     /* "TLSv1.3 TLS_AES_256_GCM_SHA384" */
	char last_error[512];
	int64_t last_error_s; /* wall clock, 0: none */
	size_t connections, leased, connections_max;
	uint64_t bytes_in, bytes_out, reconnects, skipped;
};
void session_status_get(struct session *session, struct session_status *ret_status);

#endif
