#!/bin/sh
# The Python helpers at least compile.
set -eu
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

for file in $(find scripts tests -name '*.py' | sort); do
	python3 -c 'import ast, sys; ast.parse(open(sys.argv[1], encoding="utf-8").read())' "$file" ||
		complain "$file"
done
verdict
