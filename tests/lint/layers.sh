#!/bin/sh
# A header may be included from its own layer and from the layers above it alone
# (docs/architecture.md). The link order would catch a call; this catches a type.
set -eu
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# Plain data of imap, open to the layers that see nothing else of it.
data='imap/slice.h imap/types.h imap/set.h imap/date.h imap/envelope.h'

may_include() { # may_include LAYER: the layers whose headers LAYER may use
	case $1 in
	util) echo util ;;
	imap) echo util imap ;;
	session) echo util imap session ;;
	cache) echo util cache ;;
	store) echo util imap session cache store ;;
	fs) echo util store fs ;;
	imapfs) echo util imap session cache store fs imapfs ;;
	# Both programs read accounts and options the same way.
	imapfsctl) echo util imap session cache store fs imapfs imapfsctl ;;
	esac
}

for layer in util imap session cache store fs imapfs imapfsctl; do
	[ -d "src/$layer" ] || continue
	allowed=" $(may_include $layer) "
	case $layer in cache | fs) extra=" $data " ;; *) extra='' ;; esac
	includes=$(grep -rHn --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' \
		"src/$layer" | sed 's/^\([^:]*:[0-9]*\):[^"]*"\([^"]*\)".*/\1 \2/') || true
	while read -r where header; do
		[ -n "$header" ] || continue
		case $header in
		../*) complain "$where: \"$header\": name headers from src/ or include/, not by ../" ;;
		*/*)
			case "$allowed" in *" ${header%%/*} "*) continue ;; esac
			case "$extra" in *" $header "*) continue ;; esac
			complain "$where: $layer must not include \"$header\""
			;;
		*)
			[ -e "src/$layer/$header" ] ||
				complain "$where: \"$header\" is not a header of $layer"
			;;
		esac
	done <<-EOF
	$includes
	EOF
done

# The same by <imap/...>, and a public header sees nothing but public headers.
for layer in cache fs; do
	found=$(grep -rHn --include='*.[ch]' '#[[:space:]]*include[[:space:]]*<imap/' "src/$layer") || true
	while read -r line; do
		[ -n "$line" ] || continue
		header=$(printf '%s\n' "$line" | sed 's/.*<\(imap[^>]*\)>.*/\1/')
		case " $data " in *" $header "*) ;; *) complain "$line: not plain data" ;; esac
	done <<-EOF
	$found
	EOF
done
# slice.h is bytes, not mail; it is public because the library's types are made of it.
if grep -rHnE --include='*.[ch]' '#[[:space:]]*include[[:space:]]*<imap/' src/util |
	grep -v '<imap/slice.h>' >&2; then
	complain "util knows nothing of mail"
fi
if grep -rHnE '#[[:space:]]*include[[:space:]]*["<](util|session|cache|store|fs)/' include >&2; then
	complain "a public header includes a private one"
fi
verdict
