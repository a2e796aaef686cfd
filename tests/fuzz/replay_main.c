/*
 * Runs a fuzz target over a corpus without libFuzzer: every regular file named on the command line,
 * or found directly in a directory named there, goes whole through LLVMFuzzerTestOneInput.
 * It decides nothing about the input; a finding is the target's abort or a sanitizer's report.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (64u << 20)

/* An exact-size heap block, so that a read one byte beyond the input is seen. */
static int replay_file(const char *path, size_t size)
{
	uint8_t *data;
	FILE *file;
	size_t got;

	if (size > INPUT_MAX) {
		fprintf(stderr, "%s: larger than %u bytes\n", path, INPUT_MAX);
		return -EFBIG;
	}
	data = malloc(size ? size : 1);
	if (!data)
		return -ENOMEM;
	file = fopen(path, "rb");
	if (!file) {
		perror(path);
		free(data);
		return -EIO;
	}
	got = fread(data, 1, size, file);
	fclose(file);
	if (got != size) {
		fprintf(stderr, "%s: short read\n", path);
		free(data);
		return -EIO;
	}
	/* Printed before the run: the last name in the log is the one that crashed. */
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

static int replay_dir(const char *path, unsigned *count)
{
	struct dirent *entry;
	struct stat st;
	char name[4096];
	int err = 0;
	DIR *dir;

	dir = opendir(path);
	if (!dir) {
		perror(path);
		return -EIO;
	}
	while (!err && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) >=
		    (int)sizeof(name)) {
			err = -ENAMETOOLONG;
			break;
		}
		if (stat(name, &st) || !S_ISREG(st.st_mode))
			continue;
		err = replay_file(name, (size_t)st.st_size);
		(*count)++;
	}
	closedir(dir);
	return err;
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	struct stat st;
	int err = 0;

	for (int i = 1; i < argc && !err; i++) {
		if (stat(argv[i], &st)) {
			perror(argv[i]);
			return 1;
		}
		if (S_ISDIR(st.st_mode)) {
			err = replay_dir(argv[i], &count);
		} else {
			err = replay_file(argv[i], (size_t)st.st_size);
			count++;
		}
	}
	if (err)
		return 1;
	if (!count) {
		fprintf(stderr, "no input: an empty corpus proves nothing\n");
		return 1;
	}
	printf("%u inputs\n", count);
	return 0;
}
