/*
 * The protocol as a machine without I/O: bytes from the server go in, events and
 * answers come out, bytes for the server are picked up. No socket, thread or clock.
 *
 * Tags have a random prefix per connection. An answer to a tag that is not
 * outstanding, a second answer, bytes behind the OK of STARTTLS: the machine is
 * broken for good (-EPROTO). Commands may be pipelined; answers are matched by tag.
 * Synchronising literals wait for "+" (LITERAL+ and LITERAL- are used where offered).
 */
#ifndef IMAP_PROTO_H
#define IMAP_PROTO_H

#include <stdbool.h>
#include <sys/types.h>

#include <imap/capability.h>
#include <imap/command.h>
#include <imap/event.h>

struct imap_proto;

/* How a command ended. The texts are copies that live in the request. */
struct imap_answer {
	enum imap_status status; /* IMAP_OK, IMAP_NO, IMAP_BAD */
	enum imap_code code;
	uint64_t code_number;
	char code_data[256]; /* cut */
	char text[512];      /* cut; print it escaped */
};

/*
 * One command in flight, in the caller's storage, which must stay until it is done.
 * `event` sees every event while the request is the oldest unanswered one that wants
 * it: events are offered to the outstanding requests in the order they were sent, and
 * then to the machine's own handler; a handler returns true to keep an event from
 * those behind it.
 */
struct imap_request {
	bool (*event)(void *user, const struct imap_event *event); /* may be NULL */
	bool (*go_on)(void *user, struct slice challenge,
		      struct slice *ret_reply); /* "+" of AUTHENTICATE; reply borrowed, sent
										       with CRLF; false: send "*" */
	void *user;
	bool done;
	struct imap_answer answer; /* when done */
	/* private */
	struct imap_request *next;
	char tag[24];
	uint64_t
		begin; /* where it begins in all that is sent: no answer is believed before that went out */
	bool stop_behind; /* STARTTLS, COMPRESS: no byte of the server may follow the answer */
};

/* `event` is the handler for what no request keeps. */
int imap_proto_new(bool (*event)(void *user, const struct imap_event *event), void *user,
		   struct imap_proto **ret_proto);
void imap_proto_free(struct imap_proto **proto);

/* Queues a command; takes it in any case. 0, the command's own error, -EAGAIN when the pipeline is full, -EPROTO when broken. */
int imap_proto_send(struct imap_proto *proto, struct imap_command **command,
		    struct imap_request *request);
/* `line` gets every piece of output when it is queued, as a trace may show it: secrets as ***, literals as their
 * size. */
void imap_proto_trace(struct imap_proto *proto, void (*line)(void *user, struct slice masked),
		      void *user);
/* Bytes to be sent now (empty: none), and how many were. */
struct slice imap_proto_output(struct imap_proto *proto);
void imap_proto_sent(struct imap_proto *proto, size_t len);
/* Bytes that came. 0, or -EPROTO/-EMSGSIZE/-ENOMEM (final). */
int imap_proto_feed(struct imap_proto *proto, const void *data, size_t len);
/* TLS has started: everything the server said before is forgotten. */
void imap_proto_secured(struct imap_proto *proto);

/* The connection is over: requests not done are let go (they stay not done), nothing is fed or sent any more. */
void imap_proto_abort(struct imap_proto *proto);

size_t imap_proto_outstanding(const struct imap_proto *proto);
/* Grows with every answer and every event that a request kept: tells work from chatter. */
uint64_t imap_proto_progress(const struct imap_proto *proto);
struct imap_capabilities *imap_proto_capabilities(struct imap_proto *proto);
/* The greeting came: its status (IMAP_OK, IMAP_PREAUTH, IMAP_BYE) is in *ret_answer. */
bool imap_proto_greeted(const struct imap_proto *proto, struct imap_answer *ret_answer);
/* BYE was said; its text. */
bool imap_proto_bye(const struct imap_proto *proto, struct imap_answer *ret_answer);
const char *imap_proto_error(const struct imap_proto *proto);
uint64_t imap_proto_skipped(const struct imap_proto *proto);

#endif
