/* Percent-decoding happens after splitting, so that %2F and %40 are what they stand for. */
#include "imapfs/url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/num.h"
#include "util/slice.h"

bool url_is(const char *text)
{
	return strstr(text, "://") != NULL;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* NUL, CR and LF cannot be part of anything that goes into a command or a certificate check. */
static int decode(struct slice text, char out[static URL_TEXT_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '%') {
			int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
			int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0' || c == '\r' || c == '\n' || len + 1 >= URL_TEXT_MAX)
			return -EINVAL;
		out[len++] = c;
	}
	out[len] = '\0';
	return 0;
}

static struct slice until(struct slice *text, size_t len)
{
	struct slice head = { text->ptr, len };

	text->ptr += len;
	text->len -= len;
	return head;
}

static size_t find(struct slice text, char c)
{
	const char *at = memchr(text.ptr, c, text.len);

	return at ? (size_t)(at - text.ptr) : text.len;
}

static int parse_port(struct slice text, struct url *url, const char **ret_error)
{
	uint32_t port;

	if (num_u32(text, &port) || port == 0 || port > 65535) {
		*ret_error = "the port must be a number from 1 to 65535";
		return -EINVAL;
	}
	snprintf(url->port, sizeof(url->port), "%u", (unsigned)port);
	return 0;
}

static int parse_host(struct slice text, struct url *url, const char **ret_error)
{
	struct slice host;

	if (text.len && text.ptr[0] == '[') {
		size_t end = find(text, ']');

		if (end == text.len) {
			*ret_error = "the address lacks its ']'";
			return -EINVAL;
		}
		host = (struct slice){ text.ptr + 1, end - 1 };
		until(&text, end + 1);
	} else {
		host = until(&text, find(text, ':'));
	}
	if (host.len == 0 || decode(host, url->host)) {
		*ret_error = "there is no host name in it";
		return -EINVAL;
	}
	if (text.len == 0)
		return 0;
	if (text.ptr[0] != ':') {
		*ret_error = "what follows the address must be :PORT or /MAILBOX";
		return -EINVAL;
	}
	until(&text, 1);
	return parse_port(text, url, ret_error);
}

static int parse_user(struct slice text, struct url *url, const char **ret_error)
{
	/* RFC 5092 has ";AUTH=" here; it is an option of ours. */
	if (find(text, ':') < text.len) {
		*ret_error = "a password in the URL would show in ps: use -o password_command, -o "
			     "password_file or ~/.netrc";
		return -EINVAL;
	}
	if (text.len == 0 || decode(text, url->user)) {
		*ret_error = "the user name in it is empty or not valid";
		return -EINVAL;
	}
	return 0;
}

int url_parse(const char *text, struct url *ret_url, const char **ret_error)
{
	struct slice rest = slice_of(text), authority;
	struct url url = { .implicit_tls = true };
	const char *at = NULL;

	if (slice_casestarts(rest, "imaps://")) {
		until(&rest, 8);
		memcpy(url.port, "993", 4);
	} else if (slice_casestarts(rest, "imap://")) {
		until(&rest, 7);
		url.implicit_tls = false;
		memcpy(url.port, "143", 4);
	} else {
		*ret_error = "it must begin with imaps:// or imap://";
		return -EINVAL;
	}
	authority = until(&rest, find(rest, '/'));
	/* The last one: a user name may hold an @ (it should be %40, but people write it). */
	for (size_t i = 0; i < authority.len; i++)
		if (authority.ptr[i] == '@')
			at = authority.ptr + i;
	if (at) {
		if (parse_user(until(&authority, (size_t)(at - authority.ptr)), &url, ret_error))
			return -EINVAL;
		until(&authority, 1);
	}
	if (parse_host(authority, &url, ret_error))
		return -EINVAL;
	while (rest.len && rest.ptr[0] == '/')
		until(&rest, 1);
	while (rest.len && rest.ptr[rest.len - 1] == '/')
		rest.len--;
	if (decode(rest, url.mailbox)) {
		*ret_error = "the mailbox in it is not valid";
		return -EINVAL;
	}
	*ret_url = url;
	return 0;
}
