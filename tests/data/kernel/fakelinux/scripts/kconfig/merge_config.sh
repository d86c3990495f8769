#!/bin/sh
# As the kernel's: merge_config.sh -n -O . .config FRAGMENT...
set -e
[ "$1 $2 $3" = "-n -O ." ] || exit 1
shift 3
merged=$(mktemp ./.tmp.config.XXXXXXXXXX)
trap 'rm -f "$merged"' EXIT
cat "$@" > "$merged"
make KCONFIG_ALLCONFIG="$merged" allnoconfig
