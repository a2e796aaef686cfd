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

/* What the first login teaches. */
struct learnt {
	bool done;
	struct session_namespace namespaces[NAMESPACES_MAX];
	size_t namespace_count;
	char server[256];
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
	bool is_offline; /* for good */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* guarded by lock */
	struct learnt learnt;
	struct imap_login_memory memory;
	uint64_t capabilities; /* what the last login offered, less what is switched off */
	char tls[128];
	size_t limit;       /* connections that the server lets us have, <= slot_count */
	int64_t limited_ms; /* when it was lowered; 0: never */
	size_t waiting;     /* interactive leases that wait for a slot */
	enum reach reach;
	int64_t search_until_ms; /* a connection broke: when the search for the server ends; 0: all is well */
	int64_t silent_ms; /* when a silence ended last: who was not heard since is not trusted */
	int64_t tried_ms;  /* the keeper's last try */
	bool asked;        /* somebody needed the server since */
	bool hopeless;     /* the last try was refused: asking more often does not help */
	bool stopping;
	struct backoff backoff;
	char last_error[512];
	int64_t last_error_s;
	uint64_t reconnects, bytes_in, bytes_out, skipped; /* of closed connections */

	pthread_t keeper;
	bool has_keeper; /* owner: open and close */
};

/* login.c: one connection, logged in, by `deadline_ms` or a little later. 0, or -errno with a line in *ret_error (owned, may be
 * NULL); which is set to NULL or freed first. */
int session_connect(struct session *session, int64_t deadline_ms, struct imap_conn **ret_conn,
		    char **ret_error);
/* What is left of the time, at least enough for a try that means something, at most the timeout. */
int session_time_left(const struct session *session, int64_t deadline_ms);

/* reach.c */
/* A connection for a slot that the caller has leased, by `deadline_ms`. 0, -ENOTCONN, -ECANCELED; -EAGAIN: the server
 * wants no more connections, wait for one of those there are. */
int reach_connect(struct session *session, struct slot *slot, int64_t deadline_ms);
/* A connection broke, or could not be made, with that error. The first to see it starts the search's clock. */
void reach_doubt(struct session *session, int error, bool was_open);
/* False: silent since before another one was found to be so. */
bool reach_trusts(struct session *session, struct imap_conn *conn);
/* One try for a leased slot; notes and logs a failure. */
int reach_try(struct session *session, struct slot *slot, int64_t deadline_ms);
void reach_set(struct session *session, enum reach reach);
/* True when the error says that the server takes no more connections, but has given us some. */
bool reach_lower_limit(struct session *session, const struct slot *slot, int err);
int64_t reach_next_try_ms(struct session *session);

/* keeper.c: reconnects when DOWN, opens the second connection, keeps idle ones alive. */
int keeper_start(struct session *session);
void keeper_join(struct session *session);

/* lease.c */
/* Puts a connection into a leased slot, or takes a broken one out; the owner calls. */
void slot_fill(struct session *session, struct slot *slot, struct imap_conn *conn);
void slot_drop(struct session *session, struct slot *slot);
void session_note_error(struct session *session, const char *text);

#endif
