# The compressor changes while pages are stored and loaded; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

# shellcheck disable=SC2034  # read by measured_files
OWN_FILES="/run/compressors_there /run/compressors_used"

setup() {
	SWITCHES=0
	STORED=0
	USED=
	for file in $OWN_FILES; do echo 0 >"$file"; done
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load
}

# switch_to NAME: false when the kernel has it and does not take it; one that it does not have is passed over.
switch_to() {
	count_use
	if ! has_compressor "$1"; then
		note "this kernel has no compressor $1"
		return 0
	fi
	put "$1" "$ZSWAP"/compressor || return 1
	[ "$(cat "$ZSWAP"/compressor)" = "$1" ] || return 1
	SWITCHES=$((SWITCHES + 1))
	note "the compressor is $1"
}

# count_use: the compressor that is current has been used if zswap took pages since the last look.
count_use() {
	stored=$(awk '$1 == "zswpout" {print $2}' /proc/vmstat)
	[ "$stored" = "$STORED" ] || USED="$USED $(cat "$ZSWAP"/compressor)"
	STORED=$stored
}

# Of those that the knobs name, each once.
compressors_there() { for name in $COMPRESSOR $SECOND $THIRD $FOURTH $FIFTH; do ! has_compressor "$name" || echo "$name"; done | sort -u; }

# Pages that do not get smaller are refused where they may not be written back.
hook_refuse() { sample two && put 0 "$CGROUP"/load/memory.zswap.writeback; }
hook_allow() { sample refused && put 1 "$CGROUP"/load/memory.zswap.writeback; }

hook_second() { switch_to "$SECOND"; }
hook_third() { switch_to "$THIRD"; }
hook_fourth() { switch_to "$FOURTH"; }
hook_fifth() { switch_to "$FIFTH"; }
# To a pool that was left with pages in it: it is taken up again, no new one is made.
hook_back() { switch_to "$COMPRESSOR"; }

hook_enough() {
	[ "$SWITCHES" -ge 3 ] || skip "this kernel has no compressors to switch between"
	count_use
	compressors_there | wc -l >/run/compressors_there
	for name in $USED; do echo "$name"; done | sort -u | wc -l >/run/compressors_used
	sample stored
}
