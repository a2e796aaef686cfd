#!/bin/sh
# A file is one noun: sources beyond 600 lines have become two. (400 is the aim, docs/style.md.)
set -eu
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

for file in $(find src include -name '*.[ch]' | sort); do
	lines=$(wc -l <"$file")
	[ "$lines" -le 600 ] || complain "$file: $lines lines"
	head -1 "$file" | grep -q '^/\*' || complain "$file: does not open with a comment that says what it decides"
done
verdict
