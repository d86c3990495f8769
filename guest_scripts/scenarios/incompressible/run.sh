# Pages that do not get smaller, at a memory cgroup's limit; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load memory.zswap.max="$ZSWAP_MAX" memory.zswap.writeback=1 || return 1
	# Before 7.2 such pages are refused, and go to swap.
	need "$ZSWAP_DEBUG"/stored_incompressible_pages
}

hook_full() {
	sample full || return 1
	# What was written is in the swap cache as well until reclaim comes by again; then it has to come from the device.
	reclaim load 4M
}

hook_loaded() { sample loaded; }
