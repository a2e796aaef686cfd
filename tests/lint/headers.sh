#!/bin/sh
# Every public header compiles alone, as a stranger would include it: strict C17, no extensions.
set -eu
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

[ -n "$(find include -name '*.h')" ] || complain "no public headers found"
for header in $(find include -name '*.h' | sort); do
	name=${header#include/}
	for cc in ${CC:-gcc clang}; do
		command -v "$cc" >/dev/null || continue
		printf '#include <%s>\n#include <%s>\nint main(void) { return 0; }\n' "$name" "$name" |
			"$cc" -std=c17 -pedantic -Wall -Wextra -Werror -fsyntax-only -Iinclude -x c - ||
			complain "$header: does not compile alone with $cc"
	done
done
verdict
