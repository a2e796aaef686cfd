/*
 * What a server said, one event per response. Everything an event points at
 * belongs to the parser and is gone when the callback returns.
 *
 * Body literals of FETCH are streamed: BODY_BEGIN, BODY_DATA..., BODY_END come
 * before the FETCH event of the response they stand in. BODY_BEGIN.uid is 0 when
 * the server put the UID behind the body; the FETCH event then says which it was.
 */
#ifndef IMAP_EVENT_H
#define IMAP_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <imap/envelope.h>
#include <imap/set.h>
#include <imap/types.h>
#include <imap/value.h>

enum imap_event_type {
	IMAP_EVENT_STATUS,     /* untagged OK/NO/BAD/BYE/PREAUTH, the greeting included: status */
	IMAP_EVENT_TAGGED,     /* the end of a command: status (with its tag) */
	IMAP_EVENT_CONTINUE,   /* "+": status.text */
	IMAP_EVENT_CAPABILITY, /* untagged, or as a code of any status: atoms */
	IMAP_EVENT_ENABLED,    /* atoms */
	IMAP_EVENT_ID,         /* pairs */
	IMAP_EVENT_NAMESPACE,  /* namespaces */
	IMAP_EVENT_LIST,       /* list */
	IMAP_EVENT_LSUB,       /* list */
	IMAP_EVENT_MAILBOX_STATUS, /* mailbox_status */
	IMAP_EVENT_FLAGS,          /* flags */
	IMAP_EVENT_EXISTS,         /* number */
	IMAP_EVENT_RECENT,         /* number */
	IMAP_EVENT_EXPUNGE,        /* number: a message sequence number */
	IMAP_EVENT_VANISHED,       /* search.set, search.earlier */
	IMAP_EVENT_FETCH,          /* fetch */
	IMAP_EVENT_SEARCH,         /* search.set (SEARCH: as a sorted set) */
	IMAP_EVENT_ESEARCH,        /* search */
	IMAP_EVENT_OTHER,          /* a well-formed response we do not interpret: other */
	IMAP_EVENT_SKIPPED, /* one that does not parse: skipped.text (cut); counted, never fatal */
	IMAP_EVENT_BODY_BEGIN, /* body */
	IMAP_EVENT_BODY_DATA,  /* data: any number of pieces */
	IMAP_EVENT_BODY_END,
};

struct imap_event_status {
	enum imap_status status;
	struct slice tag; /* TAGGED */
	enum imap_code code;
	struct slice code_name, code_data; /* as sent; code_data excludes the name */
	uint64_t
		code_number; /* UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ, UNSEEN, APPENDUID's validity */
	struct slice text;   /* the human part; print it escaped */
};

struct imap_event_list {
	uint32_t attributes; /* enum imap_attribute */
	char delimiter;      /* 0: NIL or empty */
	struct slice name;   /* as on the wire: modified UTF-7, or UTF-8 once enabled */
	const struct imap_value *extended; /* RFC 5258 extended data, or NULL */
};

enum imap_status_item {
	IMAP_STATUS_MESSAGES = 1 << 0,
	IMAP_STATUS_RECENT = 1 << 1,
	IMAP_STATUS_UIDNEXT = 1 << 2,
	IMAP_STATUS_UIDVALIDITY = 1 << 3,
	IMAP_STATUS_UNSEEN = 1 << 4,
	IMAP_STATUS_HIGHESTMODSEQ = 1 << 5,
	IMAP_STATUS_SIZE = 1 << 6,
	IMAP_STATUS_DELETED = 1 << 7,
	IMAP_STATUS_MAILBOXID = 1 << 8,
	IMAP_STATUS_APPENDLIMIT = 1 << 9,
};

struct imap_event_mailbox_status {
	struct slice name;
	uint32_t present; /* which of the following were sent (enum imap_status_item) */
	uint32_t messages, recent, uidnext, uidvalidity, unseen, deleted;
	uint64_t highestmodseq, size, appendlimit;
	struct slice mailboxid;
};

struct imap_event_flags {
	uint32_t flags; /* enum imap_flag */
	const struct slice *keywords;
	size_t keyword_count;
	bool any; /* PERMANENTFLAGS: \* */
};

enum imap_fetch_item {
	IMAP_FETCH_UID = 1 << 0,
	IMAP_FETCH_FLAGS = 1 << 1,
	IMAP_FETCH_INTERNALDATE = 1 << 2,
	IMAP_FETCH_SIZE = 1 << 3,
	IMAP_FETCH_MODSEQ = 1 << 4,
	IMAP_FETCH_ENVELOPE = 1 << 5,
	IMAP_FETCH_BODYSTRUCTURE = 1 << 6,
	IMAP_FETCH_EMAILID = 1 << 7,
	IMAP_FETCH_THREADID = 1 << 8,
	IMAP_FETCH_SAVEDATE = 1 << 9,
	IMAP_FETCH_SECTION = 1 << 10, /* at least one BODY[...] */
	IMAP_FETCH_BROKEN = 1 << 30,  /* an item did not parse; what did is here */
};

struct imap_section {
	struct slice name; /* what stands between the brackets; "" for the whole message */
	int64_t origin;    /* <n>, or -1 */
	bool nil;          /* the server said NIL: there is no such text */
	uint64_t size;     /* bytes that were sent */
	struct slice text; /* when not streamed (it was quoted); else ptr NULL */
};

struct imap_event_fetch {
	uint32_t seq;
	imap_uid uid;     /* 0: not sent */
	uint32_t present; /* enum imap_fetch_item */
	uint32_t flags;
	const struct slice *keywords;
	size_t keyword_count;
	int64_t internaldate; /* seconds since 1970 UTC */
	int64_t savedate;
	uint64_t size, modseq;
	struct slice emailid, threadid;
	const struct imap_envelope *envelope;
	const struct imap_value *bodystructure;
	const struct imap_section *sections;
	size_t section_count;
};

struct imap_namespace {
	enum { IMAP_NAMESPACE_PERSONAL, IMAP_NAMESPACE_OTHER, IMAP_NAMESPACE_SHARED } kind;
	struct slice prefix; /* as on the wire */
	char delimiter;
};

struct imap_event {
	enum imap_event_type type;
	union {
		struct imap_event_status status;
		struct imap_event_list list;
		struct imap_event_mailbox_status mailbox_status;
		struct imap_event_flags flags;
		struct imap_event_fetch fetch;
		uint32_t number;
		struct {
			const struct slice *items;
			size_t count;
		} atoms; /* CAPABILITY, ENABLED; for ID: key, value, key, value (values may be NIL) */
		struct {
			const struct imap_namespace *items;
			size_t count;
		} namespaces;
		struct {
			struct slice tag; /* ESEARCH: the TAG correlator, or NIL */
			bool uid;
			bool earlier;                                     /* VANISHED (EARLIER) */
			uint32_t present_min, present_max, present_count; /* 0: not sent */
			uint32_t min, max, count;
			uint64_t modseq;
			const struct imap_set *set; /* ALL, SEARCH, VANISHED; or NULL */
		} search;
		struct {
			struct slice name; /* the response's name as sent */
			uint32_t number;   /* when it begins with one, else 0 */
			const struct imap_value *values;
		} other;
		struct {
			struct slice text;  /* the beginning of it, at most 200 bytes */
			const char *reason; /* static text */
		} skipped;
		struct {
			uint32_t seq;
			imap_uid uid;
			struct slice section;
			int64_t origin;
			uint64_t size; /* announced by the literal: exact */
		} body;
		struct slice data;
	};
};

/* Returns 0 to go on, or 1: stop feeding right behind this event (STARTTLS, COMPRESS). */
typedef int imap_event_fn(void *user, const struct imap_event *event);

#endif
