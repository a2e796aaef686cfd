/*
 * Everything a server may say to a client in the middle of things: the input is fed to
 * the machine while it has a literal to send, a dialogue of AUTHENTICATE and a few plain
 * commands outstanding. "%1" to "%4" in the input become their tags, "%!" sends what waits
 * to be sent, "%s" starts TLS. The first byte says in how large pieces the rest is fed.
 *
 * Besides what sanitizers see: a broken machine stays broken and silent, no answer is
 * believed before its command went out, and what is outstanding adds up.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <imap/proto.h>

#define REQUESTS 4
#define TEXT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct imap_proto *proto;
	struct imap_request requests[REQUESTS];
	bool accepted[REQUESTS];
	bool gone[REQUESTS]; /* its first byte was sent */
	uint64_t events;
};

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz_session: %s\n", what);
	abort();
}

static bool on_event(void *user, const struct imap_event *event)
{
	struct run *run = user;

	run->events++;
	return event->type == IMAP_EVENT_FETCH;
}

static bool on_challenge(void *user, struct slice challenge, struct slice *ret_reply)
{
	*ret_reply = (struct slice){ "c2VjcmV0", 8 };
	return challenge.len < 40;
}

static void send_command(struct run *run, size_t i)
{
	static const char *const names[REQUESTS] = { "NOOP", "APPEND", "AUTHENTICATE", "STARTTLS" };
	struct imap_command *command = imap_command_new(names[i]);
	struct imap_request *request = &run->requests[i];

	request->event = on_event;
	request->user = run;
	if (i == 1)
		imap_command_astring(command, SLICE_LIT("a\r\nb"));
	if (i == 2)
		request->go_on = on_challenge;
	request->stop_behind = i == 3;
	run->accepted[i] = imap_proto_send(run->proto, &command, request) == 0;
	check(!command, "a command was not taken");
}

static void drain(struct run *run)
{
	struct slice out = imap_proto_output(run->proto);

	for (size_t i = 0; i < REQUESTS; i++) {
		char head[32];
		int len = snprintf(head, sizeof(head), "%s ", run->requests[i].tag);

		if (run->accepted[i] && out.len && memmem(out.ptr, out.len, head, (size_t)len))
			run->gone[i] = true;
	}
	imap_proto_sent(run->proto, out.len);
}

static void feed(struct run *run, const char *data, size_t len, size_t piece)
{
	while (len) {
		size_t part = piece < len ? piece : len;
		char *exact = malloc(part);
		int err;

		if (!exact)
			return;
		memcpy(exact, data, part);
		err = imap_proto_feed(run->proto, exact, part);
		free(exact);
		data += part;
		len -= part;
		if (err) {
			uint64_t before = run->events;

			check(imap_proto_feed(run->proto, "* OK x\r\n", 8) == err,
			      "a broken machine works again");
			check(run->events == before, "a broken machine speaks");
		}
	}
}

static void check_requests(struct run *run)
{
	size_t outstanding = 0;

	for (size_t i = 0; i < REQUESTS; i++) {
		if (run->requests[i].done)
			check(run->gone[i], "an answer to what was not sent is believed");
		outstanding += run->accepted[i] && !run->requests[i].done;
	}
	check(outstanding == imap_proto_outstanding(run->proto), "requests do not add up");
}

static void flush(struct run *run, char *text, size_t *len, size_t piece)
{
	feed(run, text, *len, piece);
	*len = 0;
	check_requests(run);
}

static void converse(struct run *run, const uint8_t *data, size_t size, size_t piece)
{
	char *text = malloc(TEXT_MAX);
	size_t len = 0;

	for (size_t i = 0; text && i < size && len < TEXT_MAX - 32; i++) {
		char c = i + 1 < size && data[i] == '%' ? (char)data[i + 1] : '\0';

		if (c >= '1' && c < '1' + REQUESTS) {
			len += (size_t)snprintf(text + len, 32, "%s", run->requests[c - '1'].tag);
			i++;
		} else if (c == '!') {
			flush(run, text, &len, piece);
			drain(run);
			i++;
		} else if (c == 's') {
			flush(run, text, &len, piece);
			imap_proto_secured(run->proto);
			i++;
		} else {
			text[len++] = (char)data[i];
		}
	}
	if (text)
		flush(run, text, &len, piece);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 64, 1000, TEXT_MAX };
	struct run run = { .events = 0 };

	if (size < 1 || imap_proto_new(on_event, &run, &run.proto))
		return 0;
	for (size_t i = 0; i < REQUESTS; i++)
		send_command(&run, i);
	converse(&run, data + 1, size - 1, pieces[data[0] % (sizeof(pieces) / sizeof(pieces[0]))]);
	imap_proto_free(&run.proto);
	return 0;
}
