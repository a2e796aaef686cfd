/* Where passwords come from, in which order, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants those first */
#include <cmocka.h>

#include "imapfs/credentials.h"
#include "util/attr.h"

static char dir[] = "/tmp/imapfs-credentials-XXXXXX";
static char file_path[128], netrc_path[128], systemd_path[128], count_path[128];

static void put_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) < 0, 0);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(file_path, sizeof(file_path), "%s/password", dir);
	snprintf(netrc_path, sizeof(netrc_path), "%s/.netrc", dir);
	snprintf(systemd_path, sizeof(systemd_path), "%s/imapfs.password", dir);
	snprintf(count_path, sizeof(count_path), "%s/count", dir);
	return setenv("HOME", dir, 1);
}

static int teardown(void **state)
{
	unlink(file_path);
	unlink(netrc_path);
	unlink(systemd_path);
	unlink(count_path);
	return rmdir(dir);
}

/* Detached: the terminal of whoever runs the tests must not be asked. */
static int get(const char *command, const char *file, char *out, size_t size, char **ret_error)
{
	const struct credentials_params params = {
		.user = "u", .host = "h", .password_command = command, .password_file = file
	};
	struct credentials *credentials;
	struct secret *password = NULL;
	int err;

	assert_int_equal(credentials_new(&params, &credentials), 0);
	credentials_detach(credentials);
	err = credentials_get(credentials, &password, ret_error);
	if (!err)
		snprintf(out, size, "%s", password->ptr);
	secret_free(&password);
	credentials_free(&credentials);
	return err;
}

static void expect(const char *command, const char *file, int want, const char *text)
{
	char out[128] = "", *error = NULL;
	int err = get(command, file, out, sizeof(out), &error);

	if (err != want)
		fail_msg("%d instead of %d: %s", err, want, error ? error : "");
	if (err) {
		assert_non_null(error);
		assert_non_null(strstr(error, text));
	} else {
		assert_string_equal(out, text);
	}
	free(error);
}

static void command(void **state)
{
	expect("echo 'p w'", NULL, 0, "p w");
	expect("printf 'pw'", NULL, 0, "pw");
	expect("printf 'pw\\r\\nuser: x\\n'", NULL, 0, "pw"); /* pass(1) has notes below */
	expect("true", NULL, -ENODATA, "printed nothing");
	expect("echo pw; exit 3", NULL, -EACCES, "exit status 3");
	expect("/does/not/exist 2>/dev/null", NULL, -EACCES, "exit status 127");
	expect("head -c 100000 /dev/zero | tr '\\0' x", NULL, -EMSGSIZE, "password_command");
}

static void command_goes_before_file(void **state)
{
	put_file(file_path, "from file\n", 0600);
	expect("echo from command", file_path, 0, "from command");
	expect(NULL, file_path, 0, "from file");
}

static void private_file(void **state)
{
	put_file(file_path, "pw\n", 0640);
	expect(NULL, file_path, -EPERM, "chmod 600");
	put_file(file_path, "", 0600);
	expect(NULL, file_path, -ENODATA, "no password in it");
	unlink(file_path);
	expect(NULL, file_path, -ENOENT, "No such file");
}

static void netrc_then_nothing(void **state)
{
	unlink(netrc_path);
	expect(NULL, NULL, -ENOENT, "no password");
	put_file(netrc_path, "machine h login u password netrc\n", 0600);
	expect(NULL, NULL, 0, "netrc");
	put_file(netrc_path, "machine h login u password netrc\n", 0644);
	expect(NULL, NULL, -EPERM, "chmod 600");
	put_file(netrc_path, "machine h login u password \"netrc\n", 0600);
	expect(NULL, NULL, -EINVAL, ".netrc");
}

static void systemd_goes_before_netrc(void **state)
{
	put_file(netrc_path, "machine h login u password netrc\n", 0600);
	put_file(systemd_path, "from systemd\n", 0400);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	expect(NULL, NULL, 0, "from systemd");
	unlink(systemd_path);
	expect(NULL, NULL, 0, "netrc");
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void command_runs_once_for_a_pool(void **state)
{
	struct credentials_params params = { .user = "u", .host = "h" };
	struct credentials *credentials;
	char line[256];
	struct stat st;

	snprintf(line, sizeof(line), "echo x >> %s; echo pw", count_path);
	params.password_command = line;
	assert_int_equal(credentials_new(&params, &credentials), 0);
	for (int i = 0; i < 4; i++) {
		struct secret *password = NULL;
		char *error = NULL;

		assert_int_equal(credentials_get(credentials, &password, &error), 0);
		assert_string_equal(password->ptr, "pw");
		secret_free(&password);
	}
	credentials_free(&credentials);
	assert_int_equal(stat(count_path, &st), 0);
	assert_int_equal(st.st_size, 2);
}

static void user_from_netrc(void **state)
{
	char *user = NULL;

	put_file(netrc_path, "machine a login x password y\nmachine h login u password p\n", 0600);
	assert_int_equal(credentials_netrc_user("h", &user), 0);
	assert_string_equal(user, "u");
	free(user);
	assert_int_equal(credentials_netrc_user("nowhere", &user), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command),
		cmocka_unit_test(command_goes_before_file),
		cmocka_unit_test(private_file),
		cmocka_unit_test(netrc_then_nothing),
		cmocka_unit_test(systemd_goes_before_netrc),
		cmocka_unit_test(command_runs_once_for_a_pool),
		cmocka_unit_test(user_from_netrc),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
