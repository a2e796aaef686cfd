/*
 * How fast the parser is, alone: no socket, no store. Prints one line a case:
 *   listing    `* n FETCH (UID n FLAGS (\Seen) INTERNALDATE "..." RFC822.SIZE n)`
 *   envelope   the same with an ENVELOPE
 *   bodies     messages of 7 kB as streamed literals
 *   large      one literal of 64 MB
 *   search     one SEARCH of a million UIDs
 * each fed in pieces of 16 kB, as TLS records come.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <imap/parser.h>

#include "util/attr.h"
#include "util/buf.h"

#define PIECE 16384u
#define ROUNDS 5

struct counts {
	uint64_t events, bytes, checksum;
};

static int count_event(void *user, const struct imap_event *event)
{
	struct counts *counts = user;

	switch (event->type) {
	case IMAP_EVENT_FETCH:
		counts->events++;
		counts->checksum += event->fetch.uid + event->fetch.size + event->fetch.flags;
		break;
	case IMAP_EVENT_SEARCH: counts->events += imap_set_size(event->search.set); break;
	case IMAP_EVENT_BODY_DATA: counts->bytes += event->data.len; break;
	default: break;
	}
	return 0;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double feed_once(struct buf *input, struct counts *counts)
{
	struct imap_parser *parser;
	double start = now();

	*counts = (struct counts){ 0 };
	if (imap_parser_new(count_event, counts, &parser) != 0)
		exit(1);
	for (size_t at = 0; at < input->len; at += PIECE) {
		size_t len = input->len - at < PIECE ? input->len - at : PIECE;

		if (imap_parser_feed(parser, input->ptr + at, len) != (ssize_t)len) {
			fprintf(stderr, "failed: %s\n", imap_parser_error(parser));
			exit(1);
		}
	}
	imap_parser_free(&parser);
	return now() - start;
}

static void measure(const char *name, struct buf *input)
{
	struct counts counts;
	double best = 1e9;

	if (input->error)
		exit(1);
	for (int i = 0; i < ROUNDS; i++) {
		double time = feed_once(input, &counts);

		if (time < best)
			best = time;
	}
	printf("%-10s %8.1f MB/s %10.0f events/s  (%zu bytes, %.3f s)\n", name,
	       (double)input->len / best / 1e6, (double)counts.events / best, input->len, best);
	buf_clear(input);
}

int main(void)
{
	struct buf input;
	static char body[7000];

	memset(body, 'x', sizeof(body));
	buf_init(&input, 256u << 20);
	for (unsigned i = 1; i <= 500000; i++)
		buf_appendf(&input,
			    "* %u FETCH (UID %u FLAGS (\\Seen) INTERNALDATE "
			    "\"17-Jul-2024 02:44:25 -0700\" RFC822.SIZE %u)\r\n",
			    i, i + 1000, i * 7);
	measure("listing", &input);
	for (unsigned i = 1; i <= 100000; i++)
		buf_appendf(&input,
			    "* %u FETCH (UID %u FLAGS (\\Seen $Label) RFC822.SIZE 4286 ENVELOPE ("
			    "\"Wed, 17 Jul 2024 02:23:25 -0700\" \"Notes of the meeting\" "
			    "((\"Terry Gray\" NIL \"gray\" \"example.org\")) ((\"Terry Gray\" NIL "
			    "\"gray\" \"example.org\")) "
			    "((\"Terry Gray\" NIL \"gray\" \"example.org\")) ((NIL NIL \"imap\" "
			    "\"example.net\")) "
			    "((NIL NIL \"minutes\" \"example.com\")(\"John Doe\" NIL \"john\" "
			    "\"example.com\")) NIL NIL "
			    "\"<B27397-0100000@example.org>\"))\r\n",
			    i, i);
	measure("envelope", &input);
	for (unsigned i = 1; i <= 20000; i++) {
		buf_appendf(&input, "* %u FETCH (UID %u BODY[] {%zu}\r\n", i, i, sizeof(body));
		buf_append(&input, body, sizeof(body));
		buf_append_str(&input, ")\r\n");
	}
	measure("bodies", &input);
	buf_appendf(&input, "* 1 FETCH (UID 1 BODY[] {%u}\r\n", 64u << 20);
	for (unsigned i = 0; i < 64u << 10; i++)
		buf_append(&input, body, 1024);
	buf_append_str(&input, ")\r\n");
	measure("large", &input);
	buf_append_str(&input, "* SEARCH");
	for (unsigned i = 1; i <= 1000000; i++)
		buf_appendf(&input, " %u", 2 * i);
	buf_append_str(&input, "\r\n");
	measure("search", &input);
	buf_release(&input);
	return 0;
}
