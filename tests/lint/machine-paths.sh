#!/bin/sh
# The tree speaks of no particular machine: no home directories, no places under /work or /tmp that
# some computer had.
set -eu
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

found=$(grep -rnIE '(^|[^[:alnum:]_./-])/(work|tmp/[[:alnum:]]|home/[[:alnum:]]|root/)' \
	CMakeLists.txt CMakePresets.json cmake src include tests scripts docs ./*.md .ci 2>/dev/null |
	grep -vE '^(tests/lint/machine-paths.sh|tests/data/sample-mail/)|/home/(you|me|user|nora|alice)\b|/tmp/imapfs-') || true
[ -z "$found" ] || complain "$found"
verdict
