# The compressor changes while pages are stored and loaded; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	SWITCHES=0
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load
}

# switch_to NAME: false when the kernel has it and does not take it; one that it does not have is passed over.
switch_to() {
	if ! grep -q "^name *: $1\$" /proc/crypto; then
		note "this kernel has no compressor $1"
		return 0
	fi
	put "$1" "$ZSWAP"/compressor || return 1
	[ "$(cat "$ZSWAP"/compressor)" = "$1" ] || return 1
	SWITCHES=$((SWITCHES + 1))
	note "the compressor is $1"
}

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
	sample stored
}
