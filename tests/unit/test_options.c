/* The command line, -o, and the config file: what is accepted, what is refused, and with which words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those first */
#include <cmocka.h>

#include "imapfs/config.h"
#include "imapfs/options.h"
#include "util/attr.h"

static int apply(struct options *options, const char *text, char **ret_error)
{
	struct option_list list = { .count = 0 };
	int err = option_list_add(&list, text);

	if (!err)
		err = options_apply_list(options, &list, ret_error);
	if (!err)
		err = options_check(options, ret_error);
	option_list_release(&list);
	return err;
}

#define HEX64 "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF"

static const char *const accepted[] = {
	"",
	",,",
	"ro",
	"rw,ro=no",
	"tls=starttls,ca_file=/a,ca_dir=/b",
	("tls_fingerprint=sha256:" HEX64),
	"cert=/c,key=/k",
	"auth=SCRAM-SHA-256,authzid=x",
	"names=uid,subscribed,poll=1,connections=64,timeout=3600",
	"cache_dir=/x y,cache_size=500M",
	"disable=IDLE,MOVE,AUTH=PLAIN,ro",
	/* what is done anyway */
	"eol=crlf,delete=expunge,mark_seen=no,write_back=no,offline=auto,layout=tree,compress=no",
	/* mount(8) and fstab */
	"rw,nosuid,nodev,noatime,_netdev,x-systemd.automount,user,noauto,defaults,nofail",
	"allow_other,default_permissions,uid=1000,gid=1000,umask=077,auto_unmount",
};

static const struct refused {
	const char *text, *words; /* words: must stand in the line */
} refused[] = {
	{ "nonsense", "unknown option nonsense" },
	{ "nonsense=1", "unknown option nonsense" },
	{ "Ro", "unknown option" },
	{ "tls=maybe", "implicit|starttls|off" },
	{ "tls", "needs a value" },
	{ "ca_file=", "needs a value" },
	{ "tls_fingerprint=sha256:12", "64 hex digits" },
	{ "tls_fingerprint=md5:" HEX64, "64 hex digits" },
	{ "cert=/c", "cert and key" },
	{ "names=pretty", "readable|uid" },
	{ "poll=0", "from 1" },
	{ "poll=-1", "from 1" },
	{ "poll=1x", "from 1" },
	{ "timeout=99999999999", "from 1" },
	{ "connections=65", "from 1 to 64" },
	{ "cache_size=lots", "500M" },
	{ "umask=8", "octal" },
	{ "umask=07777", "octal" },
	{ "ro=perhaps", "yes or no" },
	{ "eol=lf", "eol=lf is not supported yet" },
	{ "delete=trash", "not supported yet" },
	{ "mark_seen", "mark_seen is not supported yet" },
	{ "write_back=yes", "not supported yet" },
	{ "offline=perhaps", "offline=perhaps: it must be auto, yes or no" },
	{ "compress=yes", "not supported yet" },
	{ "layout=maildir", "not supported yet" },
	{ "provider=gmail", "not supported yet" },
	{ "proxyauth=x", "not supported yet" },
	{ "oauth2_token_command=x", "not supported yet" },
	{ "disable=IDLE,typo", "unknown option typo" },
};

static void accepts(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(accepted); i++) {
		struct options options;
		char *error = NULL;

		assert_int_equal(options_init(&options), 0);
		if (apply(&options, accepted[i], &error))
			fail_msg("%s: %s", accepted[i], error);
		options_release(&options);
	}
}

static void refuses(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct options options;
		char *error = NULL;

		assert_int_equal(options_init(&options), 0);
		if (apply(&options, refused[i].text, &error) != -EINVAL || !error)
			fail_msg("%s: not refused", refused[i].text);
		if (!strstr(error, refused[i].words))
			fail_msg("%s: \"%s\" does not say \"%s\"", refused[i].text, error,
				 refused[i].words);
		free(error);
		options_release(&options);
	}
}

static void offline_has_three_values(void **state)
{
	static const struct {
		const char *text;
		enum options_offline want;
	} cases[] = {
		{ "ro", OFFLINE_AUTO },
		{ "offline=auto", OFFLINE_AUTO },
		{ "offline", OFFLINE_YES },
		{ "offline=yes", OFFLINE_YES },
		{ "offline=no", OFFLINE_NO },
		{ "offline=false", OFFLINE_NO },
		{ "offline,offline=auto", OFFLINE_AUTO },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct options options;
		char *error = NULL;

		assert_int_equal(options_init(&options), 0);
		assert_int_equal(apply(&options, cases[i].text, &error), 0);
		if (options.offline != cases[i].want)
			fail_msg("%s: %d", cases[i].text, (int)options.offline);
		options_release(&options);
	}
}

static void keeps_values(void **state)
{
	struct options options;
	char *error = NULL;

	assert_int_equal(options_init(&options), 0);
	assert_int_equal(options.cache_size, 2ull << 30);
	assert_int_equal(options.timeout_s, 30);
	assert_string_equal(options.auth, "auto");
	assert_int_equal(apply(&options,
			       "ro,names=uid,cache_size=1K,password_command=echo "
			       "a\\,b\\\\,disable=IDLE,LITERAL+,"
			       "AUTH=LOGIN,allow_other,umask=027,auth=PLAIN,auth=LOGIN",
			       &error),
			 0);
	assert_true(options.ro);
	assert_true(options.names_uid);
	assert_int_equal(options.cache_size, 1024);
	assert_string_equal(options.password_command, "echo a,b\\");
	assert_string_equal(options.disable, "IDLE,LITERAL+,AUTH=LOGIN");
	assert_string_equal(options.fuse.ptr, "allow_other");
	assert_int_equal(options.umask_bits, 027);
	assert_string_equal(options.auth, "LOGIN");
	options_release(&options);
}

static void takes_the_last_of_ro_and_rw(void **state)
{
	static const struct {
		const char *text;
		bool ro;
	} rows[] = { { "ro", true },    { "rw", false },    { "ro,rw", false },
		     { "rw,ro", true }, { "ro=no", false }, { "ro=yes,rw", false } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		char *error = NULL;

		assert_int_equal(options_init(&options), 0);
		assert_int_equal(apply(&options, rows[i].text, &error), 0);
		if (options.ro != rows[i].ro)
			fail_msg("%s: ro is %d", rows[i].text, options.ro);
		options_release(&options);
	}
}

static const struct line {
	const char *args[8];
	int err;
	const char *source, *mountpoint;
	size_t items;
} lines[] = {
	{ { "imapfs", "S", "M" }, 0, "S", "M", 0 },
	{ { "imapfs", "-o", "ro,names=uid", "S", "M" }, 0, "S", "M", 2 },
	{ { "imapfs", "S", "M", "-o", "ro" }, 0, "S", "M", 1 }, /* as mount(8) calls */
	{ { "imapfs", "S", "-oro", "M", "-f" }, 0, "S", "M", 1 },
	{ { "imapfs", "-f", "--", "-S", "-M" }, 0, "-S", "-M", 0 },
	{ { "imapfs" }, 0, NULL, NULL, 0 },
	{ { "imapfs", "S", "M", "X" }, -EINVAL, NULL, NULL, 0 },
	{ { "imapfs", "S", "M", "-o" }, -EINVAL, NULL, NULL, 0 },
	{ { "imapfs", "--frobnicate" }, -EINVAL, NULL, NULL, 0 },
};

static void parses_command_lines(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct option_list list = { .count = 0 };
		struct options options;
		char *error = NULL;
		int argc = 0;

		while (lines[i].args[argc])
			argc++;
		assert_int_equal(options_init(&options), 0);
		assert_int_equal(
			options_parse_args(&options, &list, argc, (char **)lines[i].args, &error),
			lines[i].err);
		if (!lines[i].err) {
			if (lines[i].source) {
				assert_string_equal(options.source, lines[i].source);
				assert_string_equal(options.mountpoint, lines[i].mountpoint);
			}
			assert_int_equal(list.count, lines[i].items);
		} else {
			assert_non_null(error);
		}
		free(error);
		option_list_release(&list);
		options_release(&options);
	}
}

static const struct section {
	const char *name, *text;
	int err;
	const char *words; /* of the error, or the url */
} sections[] = {
	{ "work", "[work]\nurl = imaps://u@h/\nnames = uid\n", 0, "imaps://u@h/" },
	{ "work", "[home]\nurl = x\n[work]\nurl = y\n", 0, "y" },
	{ "work", "; note\n# note\n[work]\n  names = uid\n   url = y\n", 0, "y" }, /* indented */
	{ "work", "[work]\r\nurl=y\r\n", 0, "y" },
	{ "work", "[home]\nurl = x\nnonsense = 1\n[work]\nurl = y\n", 0,
	  "y" }, /* not our section */
	{ "work", "[home]\nurl = x\n", -ENOENT, "no section [work]" },
	{ "work", "", -ENOENT, "no section" },
	{ "work", "[work]\nnonsense = 1\n", -EINVAL, "unknown option nonsense" },
	{ "work", "[work]\neol = lf\n", -EINVAL, "not supported yet" },
	{ "work", "[work\nurl = y\n", -EINVAL, "line 1" },
};

static void reads_config(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		const struct section *s = &sections[i];
		struct options options;
		char *error = NULL;
		int err;

		assert_int_equal(options_init(&options), 0);
		err = config_apply_text(&options, "file", slice_of(s->text), s->name, &error);
		if (err != s->err)
			fail_msg("row %zu: %d instead of %d (%s)", i, err, s->err,
				 error ? error : "");
		if (err && !strstr(error, s->words))
			fail_msg("row %zu: \"%s\"", i, error);
		if (!err)
			assert_string_equal(options.url, s->words);
		free(error);
		options_release(&options);
	}
}

static void refuses_a_config_line_that_would_be_cut(void **state)
{
	struct options options;
	char text[400], *error = NULL;

	memset(text, 'x', sizeof(text));
	memcpy(text, "[work]\nurl = imaps://", 21);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(options_init(&options), 0);
	assert_int_equal(config_apply_text(&options, "file", slice_of(text), "work", &error),
			 -EINVAL);
	assert_non_null(strstr(error, "line 2"));
	free(error);
	options_release(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts),
		cmocka_unit_test(refuses),
		cmocka_unit_test(keeps_values),
		cmocka_unit_test(offline_has_three_values),
		cmocka_unit_test(takes_the_last_of_ro_and_rw),
		cmocka_unit_test(parses_command_lines),
		cmocka_unit_test(reads_config),
		cmocka_unit_test(refuses_a_config_line_that_would_be_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
