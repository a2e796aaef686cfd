/*
 * Every limit of the engine, each with its reason. A server that goes over one
 * is either hostile or broken: the connection ends with -EMSGSIZE, memory stays
 * bounded (a hostile server never costs more than 32 MB). Nesting, values and
 * inline literals inside an item of a FETCH are what a message's sender chose: there
 * they cost the item (IMAP_FETCH_BROKEN), lest one mail closes its mailbox; and so does the length of a FETCH.
 */
#ifndef IMAP_LIMITS_H
#define IMAP_LIMITS_H

/* Longest response without its streamed literals. A SEARCH of a million UIDs is
 * 8 MB on servers without ESEARCH; nothing honest is longer. */
#define IMAP_LIMIT_RESPONSE (12u * 1024 * 1024)

/* A FETCH that is longer is not kept from there on but read over, so far: the header of the largest message
 * that anybody takes, quoted in an ENVELOPE. */
#define IMAP_LIMIT_SKIM (64u * 1024 * 1024)

/* Literals inside a response that is kept whole (names, envelopes, headers). */
#define IMAP_LIMIT_INLINE_LITERAL (4u * 1024 * 1024)

/* Streamed literals (bodies): RFC 9051 number64 exists, 4 GiB - 1 is what RFC 3501
 * allows and more than any server accepts. */
#define IMAP_LIMIT_BODY_LITERAL 4294967295u

/* Nested parentheses. BODYSTRUCTURE nests two levels per MIME level; 100 MIME
 * levels are beyond every mail reader. */
#define IMAP_LIMIT_NESTING 200

/* Values in one response (list members, strings, numbers), SEARCH excepted,
 * which is read into a set. An address list of 10,000 is 50,000 values. */
#define IMAP_LIMIT_VALUES 262144

/* Ranges in one message set: a million alternating UIDs. 8 bytes each. */
#define IMAP_LIMIT_SET_RANGES 1048576

/* Longest line that we send without a literal: Courier allows 16 kB a token,
 * Yahoo and UW 1000 to 8000 octets a line (RFC 7162 §4 suggests 8192). */
#define IMAP_LIMIT_COMMAND_LINE 8000

/* Outstanding commands on one connection. */
#define IMAP_LIMIT_PIPELINE 64

/* Bytes queued to be sent: a writer that outruns the network waits. */
#define IMAP_LIMIT_OUTPUT (4u * 1024 * 1024)

#endif
