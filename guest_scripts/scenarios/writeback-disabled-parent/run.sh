# A memory cgroup whose parent must not write to swap; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" shrinker_enabled=N &&
		memcg_make parent memory.zswap.writeback=0 &&
		memcg_make parent/child memory.zswap.writeback=1 memory.zswap.max="$ZSWAP_MAX"
}

hook_disabled() {
	put Y "$ZSWAP/shrinker_enabled" &&
		put 2 /proc/sys/vm/drop_caches &&
		put N "$ZSWAP/shrinker_enabled" &&
		sample disabled &&
		put 1 "$CGROUP/parent/memory.zswap.writeback"
}
