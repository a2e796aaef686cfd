#!/bin/sh
# Functions that cannot say how far they may write, or that something went wrong, have no place where
# input comes from a network.
set -eu
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# Nowhere: they write without a bound, or hide an error.
everywhere='strcpy strcat stpcpy sprintf vsprintf gets strtok atoi atol atoll atof alloca
	strdupa tmpnam tempnam mktemp setjmp longjmp'
# Not in the program: not for several threads, or not for input of strangers. A test may wait or scan.
program='strncpy strncat sscanf scanf fscanf system popen rand srand localtime gmtime ctime asctime inet_ntoa
	gethostbyname sleep usleep'

alternatives() {
	echo "$*" | tr -s ' \t\n' '|' | sed 's/|$//'
}

# Comments and strings may name them.
for file in $(find src include tests -name '*.[ch]' | sort); do
	case $file in
	tests/*) pattern=$(alternatives "$everywhere") ;;
	*) pattern=$(alternatives "$everywhere" "$program") ;;
	esac
	found=$(sed -e 's,"\([^"\\]\|\\.\)*","",g' -e 's,/\*.*\*/,,' -e 's,^[[:space:]]*/\?\*.*,,' \
		"$file" | grep -nE "(^|[^A-Za-z0-9_.>])($pattern)[[:space:]]*\(") || true
	[ -z "$found" ] || complain "$file: banned: $found"
done
verdict
