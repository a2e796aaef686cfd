/* Words, then entries. Secrets stay inside the caller's text and one scratch buffer, which is wiped. */
#include "imapfs/netrc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 4096u

struct words {
	struct slice rest;
	char word[WORD_MAX]; /* the present one */
	size_t len;
	bool is_quoted;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char take(struct words *words)
{
	char c = words->rest.ptr[0];

	words->rest.ptr++;
	words->rest.len--;
	return c;
}

static int put(struct words *words, char c)
{
	if (words->len + 1 >= WORD_MAX)
		return -EINVAL;
	words->word[words->len++] = c;
	return 0;
}

static int take_quoted(struct words *words)
{
	take(words);
	while (words->rest.len) {
		char c = take(words);

		if (c == '"')
			return 0;
		if (c == '\\' && words->rest.len)
			c = take(words);
		if (put(words, c))
			return -EINVAL;
	}
	return -EINVAL;
}

static void skip_space(struct words *words)
{
	while (words->rest.len && is_space(words->rest.ptr[0]))
		take(words);
}

static void skip_line(struct words *words)
{
	while (words->rest.len && take(words) != '\n')
		;
}

/* 1: a word; 0: the end; -EINVAL. A # where a keyword would stand begins a comment; in a value it is a character. */
static int next(struct words *words, bool is_value)
{
	words->len = 0;
	words->is_quoted = false;
	skip_space(words);
	while (!is_value && words->rest.len && words->rest.ptr[0] == '#') {
		skip_line(words);
		skip_space(words);
	}
	if (!words->rest.len)
		return 0;
	if (words->rest.ptr[0] == '"') {
		words->is_quoted = true;
		if (take_quoted(words))
			return -EINVAL;
	} else {
		while (words->rest.len && !is_space(words->rest.ptr[0]))
			if (put(words, take(words)))
				return -EINVAL;
	}
	words->word[words->len] = '\0';
	return 1;
}

static bool word_is(const struct words *words, const char *text)
{
	return !words->is_quoted && slice_eqs((struct slice){ words->word, words->len }, text);
}

/* Up to an empty line, or the end. */
static void skip_macro(struct words *words)
{
	bool is_empty = false;

	skip_line(words);
	while (words->rest.len && !is_empty) {
		is_empty = words->rest.ptr[0] == '\n';
		skip_line(words);
	}
}

struct entry {
	bool fits_host;
	char *login;
	struct secret *password;
};

static void entry_clear(struct entry *entry)
{
	free(entry->login);
	secret_free(&entry->password);
	memset(entry, 0, sizeof(*entry));
}

static bool entry_fits(const struct entry *entry, const char *user)
{
	return entry->fits_host && entry->password &&
	       (!user || !*user || !entry->login || strcmp(user, entry->login) == 0);
}

static int take_field(struct words *words, struct entry *entry, bool is_login)
{
	if (next(words, true) != 1)
		return -EINVAL;
	if (!is_login) {
		secret_free(&entry->password);
		return secret_new(words->word, words->len, &entry->password);
	}
	free(entry->login);
	entry->login = strdup(words->word);
	return entry->login ? 0 : -ENOMEM;
}

/* Reads up to the next entry that fits: 1, 0 at the end, -errno. */
static int find_entry(struct words *words, const char *host, const char *user, struct entry *entry)
{
	int got;

	while ((got = next(words, false)) == 1) {
		int err = 0;

		if (word_is(words, "machine") || word_is(words, "default")) {
			bool is_default = word_is(words, "default");

			if (entry_fits(entry, user)) {
				/* The word is read, and nobody will need it. */
				return 1;
			}
			entry_clear(entry);
			if (!is_default && next(words, true) != 1)
				return -EINVAL;
			entry->fits_host = is_default ||
					   slice_caseeqs((struct slice){ words->word, words->len },
							 host);
		} else if (word_is(words, "login") || word_is(words, "password")) {
			err = take_field(words, entry, word_is(words, "login"));
		} else if (word_is(words, "account") || word_is(words, "port")) {
			err = next(words, true) == 1 ? 0 : -EINVAL;
		} else if (word_is(words, "macdef")) {
			skip_macro(words);
		}
		/* Anything else is a word of some other program's. */
		if (err)
			return err;
	}
	if (got < 0)
		return got;
	return entry_fits(entry, user);
}

int netrc_find(struct slice text, const char *host, const char *user, char **ret_user,
	       struct secret **ret_password)
{
	struct words words = { .rest = text };
	struct entry entry = { .fits_host = false };
	int got = find_entry(&words, host, user, &entry);

	secret_wipe(words.word, sizeof(words.word));
	if (got != 1) {
		entry_clear(&entry);
		return got ? got : -ENOENT;
	}
	*ret_password = entry.password;
	if (ret_user)
		*ret_user = entry.login;
	else
		free(entry.login);
	return 0;
}
