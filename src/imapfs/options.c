/* The table and what each kind of value must look like; the command line. */
#include "imapfs/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/attr.h"
#include "util/num.h"
#include "util/slice.h"

static int refuse(char **ret_error, const char *fmt, ...) ATTR_PRINTF(2, 3);

static int refuse(char **ret_error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (vasprintf(ret_error, fmt, args) < 0)
		*ret_error = NULL;
	va_end(args);
	return -EINVAL;
}

enum option_kind {
	KIND_TEXT,    /* any value that is not empty */
	KIND_FLAG,    /* alone, or =yes|no */
	KIND_OFFLINE, /* the same, or =auto */
	KIND_UNFLAG,  /* a word that takes such a flag back */
	KIND_CHOICE,  /* one of `words` */
	KIND_NUMBER,  /* min..max */
	KIND_OCTAL,
	KIND_SIZE,
	KIND_FUSE,    /* libfuse's: passed on as it is */
	KIND_IGNORED, /* words that mount(8) and fstab use among themselves */
	KIND_LATER,   /* only `words` (what this version does anyway) are accepted */
};

struct option {
	const char *key;
	enum option_kind kind;
	size_t offset;
	const char *words; /* "a|b" */
	uint32_t min, max;
};

#define AT(field) offsetof(struct options, field)

static const struct option table[] = {
	{ .key = "url", .kind = KIND_TEXT, .offset = AT(url) },
	{ .key = "tls", .kind = KIND_CHOICE, .offset = AT(tls), .words = "implicit|starttls|off" },
	{ .key = "ca_file", .kind = KIND_TEXT, .offset = AT(ca_file) },
	{ .key = "ca_dir", .kind = KIND_TEXT, .offset = AT(ca_dir) },
	{ .key = "tls_fingerprint", .kind = KIND_TEXT, .offset = AT(tls_fingerprint) },
	{ .key = "cert", .kind = KIND_TEXT, .offset = AT(cert) },
	{ .key = "key", .kind = KIND_TEXT, .offset = AT(key) },
	{ .key = "auth", .kind = KIND_TEXT, .offset = AT(auth) },
	{ .key = "authzid", .kind = KIND_TEXT, .offset = AT(authzid) },
	{ .key = "password_command", .kind = KIND_TEXT, .offset = AT(password_command) },
	{ .key = "password_file", .kind = KIND_TEXT, .offset = AT(password_file) },
	{ .key = "cache_dir", .kind = KIND_TEXT, .offset = AT(cache_dir) },
	{ .key = "cache_size", .kind = KIND_SIZE, .offset = AT(cache_size) },
	{ .key = "trace", .kind = KIND_TEXT, .offset = AT(trace) },
	{ .key = "disable", .kind = KIND_TEXT, .offset = AT(disable) },
	{ .key = "subscribed", .kind = KIND_FLAG, .offset = AT(subscribed) },
	{ .key = "offline", .kind = KIND_OFFLINE },
	{ .key = "poll", .kind = KIND_NUMBER, .offset = AT(poll_s), .min = 1, .max = 86400 },
	{ .key = "connections",
	  .kind = KIND_NUMBER,
	  .offset = AT(connections),
	  .min = 1,
	  .max = 64 },
	{ .key = "timeout", .kind = KIND_NUMBER, .offset = AT(timeout_s), .min = 1, .max = 3600 },
	{ .key = "names", .kind = KIND_CHOICE, .words = "readable|uid" },
	{ .key = "ro", .kind = KIND_FLAG, .offset = AT(ro) },
	{ .key = "rw", .kind = KIND_UNFLAG, .offset = AT(ro) },
	{ .key = "debug", .kind = KIND_FLAG, .offset = AT(debug) },

	/* what this version does anyway is accepted, the rest is said to be missing */
	{ .key = "eol", .kind = KIND_LATER, .words = "crlf" },
	{ .key = "delete", .kind = KIND_LATER, .words = "expunge" },
	{ .key = "mark_seen", .kind = KIND_LATER, .words = "no" },
	{ .key = "write_back", .kind = KIND_LATER, .words = "no" },
	{ .key = "compress", .kind = KIND_LATER, .words = "no" },
	{ .key = "layout", .kind = KIND_LATER, .words = "tree" },
	{ .key = "provider", .kind = KIND_LATER, .words = "" },
	{ .key = "proxyauth", .kind = KIND_LATER, .words = "" },
	{ .key = "oauth2_token_command", .kind = KIND_LATER, .words = "" },

	/* FUSE's own */
	{ .key = "uid", .kind = KIND_NUMBER, .offset = AT(uid), .max = UINT32_MAX - 1 },
	{ .key = "gid", .kind = KIND_NUMBER, .offset = AT(gid), .max = UINT32_MAX - 1 },
	{ .key = "umask", .kind = KIND_OCTAL, .offset = AT(umask_bits) },
	{ .key = "allow_other", .kind = KIND_FUSE },
	{ .key = "allow_root", .kind = KIND_FUSE },
	{ .key = "auto_unmount", .kind = KIND_FUSE },
	{ .key = "max_read", .kind = KIND_FUSE },
	{ .key = "dev", .kind = KIND_FUSE },
	{ .key = "nodev", .kind = KIND_FUSE },
	{ .key = "suid", .kind = KIND_FUSE },
	{ .key = "nosuid", .kind = KIND_FUSE },
	{ .key = "exec", .kind = KIND_FUSE },
	{ .key = "noexec", .kind = KIND_FUSE },
	{ .key = "atime", .kind = KIND_FUSE },
	{ .key = "noatime", .kind = KIND_FUSE },
	{ .key = "nodiratime", .kind = KIND_FUSE },
	{ .key = "sync", .kind = KIND_FUSE },
	{ .key = "async", .kind = KIND_FUSE },
	{ .key = "dirsync", .kind = KIND_FUSE },
	{ .key = "context", .kind = KIND_FUSE },
	{ .key = "fscontext", .kind = KIND_FUSE },
	{ .key = "defcontext", .kind = KIND_FUSE },
	{ .key = "rootcontext", .kind = KIND_FUSE },
	{ .key = "default_permissions", .kind = KIND_IGNORED }, /* always on */
	{ .key = "defaults", .kind = KIND_IGNORED },
	{ .key = "auto", .kind = KIND_IGNORED },
	{ .key = "noauto", .kind = KIND_IGNORED },
	{ .key = "user", .kind = KIND_IGNORED },
	{ .key = "users", .kind = KIND_IGNORED },
	{ .key = "nouser", .kind = KIND_IGNORED },
	{ .key = "owner", .kind = KIND_IGNORED },
	{ .key = "group", .kind = KIND_IGNORED },
	{ .key = "nofail", .kind = KIND_IGNORED },
	{ .key = "_netdev", .kind = KIND_IGNORED },
	{ .key = "relatime", .kind = KIND_IGNORED },
	{ .key = "norelatime", .kind = KIND_IGNORED },
	{ .key = "strictatime", .kind = KIND_IGNORED },
	{ .key = "diratime", .kind = KIND_IGNORED },
	{ .key = "lazytime", .kind = KIND_IGNORED },
	{ .key = "nolazytime", .kind = KIND_IGNORED },
};

static const struct option *find_option(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].key, key) == 0)
			return &table[i];
	return NULL;
}

static bool is_word_of(const char *value, const char *words)
{
	size_t len = strlen(value);

	while (*words) {
		size_t word = strcspn(words, "|");

		if (word == len && memcmp(words, value, len) == 0)
			return true;
		words += word + (words[word] == '|');
	}
	return false;
}

static int parse_flag(const char *value, bool *ret_flag)
{
	if (!value || is_word_of(value, "yes|on|true|1"))
		*ret_flag = true;
	else if (is_word_of(value, "no|off|false|0"))
		*ret_flag = false;
	else
		return -EINVAL;
	return 0;
}

static int parse_offline(const char *value, enum options_offline *ret_offline)
{
	bool flag;

	if (value && strcmp(value, "auto") == 0)
		*ret_offline = OFFLINE_AUTO;
	else if (parse_flag(value, &flag))
		return -EINVAL;
	else
		*ret_offline = flag ? OFFLINE_YES : OFFLINE_NO;
	return 0;
}

static int set_text(char **field, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int apply_later(const struct option *option, const char *value, char **ret_error)
{
	bool flag;

	if (is_word_of("no", option->words) && parse_flag(value, &flag) == 0 && !flag)
		return 0;
	if (value && is_word_of(value, option->words))
		return 0;
	return refuse(ret_error, "%s%s%s is not supported yet", option->key, value ? "=" : "",
		      value ? value : "");
}

static int apply_fuse(struct options *options, const char *key, const char *value)
{
	buf_appendf(&options->fuse, "%s%s%s%s", options->fuse.len ? "," : "", key, value ? "=" : "",
		    value ? value : "");
	return buf_cstr(&options->fuse) ? 0 : -ENOMEM;
}

static int parse_octal(const char *value, uint32_t *ret_number)
{
	uint32_t number = 0;

	if (!*value || strlen(value) > 4)
		return -EINVAL;
	for (; *value; value++) {
		if (*value < '0' || *value > '7')
			return -EINVAL;
		number = number * 8 + (uint32_t)(*value - '0');
	}
	if (number > 0777)
		return -EINVAL;
	*ret_number = number;
	return 0;
}

static int apply_choice(struct options *options, const struct option *option, const char *value,
			char **ret_error)
{
	if (!is_word_of(value, option->words))
		return refuse(ret_error, "%s=%s: it must be one of %s", option->key, value,
			      option->words);
	if (strcmp(option->key, "names") == 0) {
		options->names_uid = strcmp(value, "uid") == 0;
		return 0;
	}
	return set_text((char **)((char *)options + option->offset), value);
}

static int apply_value(struct options *options, const struct option *option, const char *value,
		       char **ret_error)
{
	void *field = (char *)options + option->offset;
	uint32_t number;

	switch (option->kind) {
	case KIND_TEXT: return set_text(field, value);
	case KIND_CHOICE: return apply_choice(options, option, value, ret_error);
	case KIND_NUMBER:
		if (num_u32(slice_of(value), &number) || number < option->min ||
		    number > option->max)
			return refuse(ret_error, "%s=%s: it must be a number from %u to %u",
				      option->key, value, (unsigned)option->min,
				      (unsigned)option->max);
		*(uint32_t *)field = number;
		return 0;
	case KIND_SIZE:
		if (num_size(slice_of(value), field))
			return refuse(ret_error, "%s=%s: it must be a size like 500M or 2G",
				      option->key, value);
		return 0;
	case KIND_OCTAL:
		if (parse_octal(value, field))
			return refuse(ret_error, "%s=%s: it must be octal, like 077", option->key,
				      value);
		options->has_umask = true;
		return 0;
	default: return -EINVAL;
	}
}

int options_apply(struct options *options, const char *key, const char *value, char **ret_error)
{
	const struct option *option;

	if (strncmp(key, "x-", 2) == 0 || strncmp(key, "X-", 2) == 0)
		return 0; /* for others who read fstab, by convention */
	option = find_option(key);
	if (!option)
		return refuse(ret_error, "unknown option %s (imapfs --help lists them)", key);
	switch (option->kind) {
	case KIND_IGNORED: return 0;
	case KIND_LATER: return apply_later(option, value, ret_error);
	case KIND_FUSE: return apply_fuse(options, key, value);
	case KIND_UNFLAG: *(bool *)((char *)options + option->offset) = false; return 0;
	case KIND_FLAG:
		if (parse_flag(value, (bool *)((char *)options + option->offset)))
			return refuse(ret_error, "%s=%s: it must be yes or no", key, value);
		return 0;
	case KIND_OFFLINE:
		if (parse_offline(value, &options->offline))
			return refuse(ret_error, "%s=%s: it must be auto, yes or no", key, value);
		return 0;
	default:
		if (!value || !*value)
			return refuse(ret_error, "%s needs a value: %s=...", key, key);
		return apply_value(options, option, value, ret_error);
	}
}

int options_init(struct options *options)
{
	memset(options, 0, sizeof(*options));
	options->cache_size = 2ull << 30;
	options->poll_s = 60;
	options->connections = 4;
	options->timeout_s = 30;
	options->uid = (uint32_t)getuid();
	options->gid = (uint32_t)getgid();
	buf_init(&options->fuse, 16384);
	return set_text(&options->auth, "auto");
}

void options_release(struct options *options)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if ((table[i].kind == KIND_TEXT || table[i].kind == KIND_CHOICE) && table[i].offset)
			free(*(char **)((char *)options + table[i].offset));
	buf_release(&options->fuse);
	memset(options, 0, sizeof(*options));
}

int options_apply_list(struct options *options, const struct option_list *list, char **ret_error)
{
	int err = 0;

	for (size_t i = 0; i < list->count && !err; i++) {
		char *key = strdup(list->items[i]), *value;

		if (!key)
			return -ENOMEM;
		value = strchr(key, '=');
		if (value)
			*value++ = '\0';
		err = options_apply(options, key, value, ret_error);
		free(key);
	}
	return err;
}

/* ---- the command line ------------------------------------------------------- */

static int parse_flag_arg(struct options *options, const char *arg, char **ret_error)
{
	if (!strcmp(arg, "-f"))
		options->foreground = true;
	else if (!strcmp(arg, "-d"))
		options->debug = options->foreground = true;
	else if (!strcmp(arg, "-h") || !strcmp(arg, "--help"))
		options->help = true;
	else if (!strcmp(arg, "-V") || !strcmp(arg, "--version"))
		options->version = true;
	else if (strcmp(arg, "-v") && strcmp(arg, "-n") &&
		 strcmp(arg, "-s")) /* mount(8) passes these on */
		return refuse(ret_error, "unknown option %s (imapfs --help lists them)", arg);
	return 0;
}

static int take_word(struct options *options, const char *arg, char **ret_error)
{
	if (!options->source)
		options->source = arg;
	else if (!options->mountpoint)
		options->mountpoint = arg;
	else
		return refuse(ret_error, "one SOURCE and one MOUNTPOINT, not also \"%s\"", arg);
	return 0;
}

int options_parse_args(struct options *options, struct option_list *list, int argc, char **argv,
		       char **ret_error)
{
	bool only_words = false;

	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];
		int err;

		if (only_words || arg[0] != '-' || arg[1] == '\0') {
			err = take_word(options, arg, ret_error);
		} else if (!strcmp(arg, "--")) {
			only_words = true;
			err = 0;
		} else if (!strncmp(arg, "-o", 2)) {
			if (!arg[2] && !argv[i + 1])
				return refuse(ret_error, "-o needs a list of options behind it");
			err = option_list_add(list, arg[2] ? arg + 2 : argv[++i]);
			if (err == -E2BIG)
				err = refuse(ret_error, "too many options");
		} else {
			err = parse_flag_arg(options, arg, ret_error);
		}
		if (err)
			return err;
	}
	return 0;
}

static bool is_fingerprint(const char *text)
{
	const char *hex = "0123456789abcdefABCDEF";
	size_t digits = 0;

	if (strncmp(text, "sha256:", 7) != 0)
		return false;
	for (text += 7; *text; text++) {
		if (*text == ':')
			continue;
		if (!strchr(hex, *text))
			return false;
		digits++;
	}
	return digits == 64;
}

int options_check(const struct options *options, char **ret_error)
{
	if (options->tls_fingerprint && !is_fingerprint(options->tls_fingerprint))
		return refuse(ret_error, "tls_fingerprint=%s: it must be sha256: and 64 hex digits",
			      options->tls_fingerprint);
	if (!options->cert != !options->key)
		return refuse(ret_error, "cert and key belong together: give both");
	return 0;
}
