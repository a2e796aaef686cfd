/*
 * What the files of the session share; nobody outside includes it.
 *
 * One lock, session.lock, never held over the network. A slot is a place for one connection: while it is leased,
 * its connection belongs to the thread that has the lease, else to whoever holds the lock.
 */
#ifndef SESSION_PRIVATE_H
#define SESSION_PRIVATE_H

#include <pthread.h>

#include "session/backoff.h"
#include "session/session.h"

#define SLOTS_MAX 32
#define NAMESPACES_MAX 32

struct slot {
	bool leased;  /* guarded by session.lock */
	bool is_open; /* guarded by session.lock: there is a connection, logged in */
	uint64_t bytes_in, bytes_out, skipped; /* guarded by session.lock: as of the last return */
	/* the lease's owner; session.lock while not leased */
	struct imap_conn *conn; /* NULL: none */
	char *mailbox;          /* wire name of what is examined, or NULL */
	struct imap_selected selected;
	int64_t used_ms;
};

struct lease {
	struct session *session;
	struct slot *slot;
	bool fresh;
};

/*
 * Whether the server can be reached, as far as we know.
 * UP         some connection worked; a new one is made by whoever needs it
 * SEARCHING  one lease tries to reconnect, the others wait for it
 * DOWN       it did not come back in time: leases fail at once, the keeper tries
 */
enum reach { REACH_UP, REACH_SEARCHING, REACH_DOWN };

struct session {
	struct imap_conn_params conn;
	char *user, *auth, *authzid, *label; /* label: "user@host" for people */
	int (*password)(void *user, struct secret **ret_password, char **ret_error);
	void *password_user;
	int stop_fd;
	size_t slot_count; /* of slots that may ever be used */
	struct slot slots[SLOTS_MAX];
	/* learnt at the first login, constant after session_open() */
	struct session_namespace namespaces[NAMESPACES_MAX];
	size_t namespace_count;
	char server[256];
	bool is_learnt;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* guarded by lock */
	struct imap_login_memory memory;
	uint64_t capabilities; /* what the last login offered, less what is switched off */
	char tls[128];
	size_t limit;       /* connections that the server lets us have, <= slot_count */
	int64_t limited_ms; /* when it was lowered; 0: never */
	size_t waiting;     /* interactive leases that wait for a slot */
	enum reach reach;
	bool stopping;
	struct backoff backoff;
	char last_error[512];
	int64_t last_error_s;
	uint64_t reconnects, bytes_in, bytes_out, skipped; /* of closed connections */

	pthread_t keeper;
	bool has_keeper; /* owner: open and close */
};

/* login.c: one connection, logged in. 0, or -errno with a line in *ret_error (owned, may be NULL); which is set to NULL or freed first. */
int session_connect(struct session *session, int timeout_ms, struct imap_conn **ret_conn,
		    char **ret_error);
/* ID and NAMESPACE, on the first connection. Failures that leave the connection alive are none. */
int session_learn(struct session *session, struct imap_conn *conn);

/* reach.c */
/* A connection for a slot that the caller has leased, by `deadline_ms`. 0, -ENOTCONN, -ECANCELED; -EAGAIN: the server
 * wants no more connections, wait for one of those there are. */
int reach_connect(struct session *session, struct slot *slot, int64_t deadline_ms);
/* The keeper thread: reconnects when DOWN, opens the second connection, keeps idle ones alive. */
int keeper_start(struct session *session);
void keeper_join(struct session *session);

/* lease.c */
/* Puts a connection into a leased slot, or takes a broken one out; the owner calls. */
void slot_fill(struct session *session, struct slot *slot, struct imap_conn *conn);
void slot_drop(struct session *session, struct slot *slot);
void session_note_error(struct session *session, const char *text);

#endif
