# A memory cgroup that must not write to swap; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" shrinker_enabled=N &&
		memcg_make load memory.zswap.writeback=0 memory.zswap.max="$ZSWAP_MAX"
}

hook_disabled() {
	# There is nothing that could go: anonymous memory alone, and zswap takes no more of it.
	if echo 2M 2>/dev/null >"$CGROUP/load/memory.reclaim"; then
		note "reclaim found 2 MiB in a cgroup that may neither store nor write back"
		return 1
	fi
	put Y "$ZSWAP/shrinker_enabled" &&
		put 2 /proc/sys/vm/drop_caches &&
		put N "$ZSWAP/shrinker_enabled" &&
		sample disabled &&
		put 1 "$CGROUP/load/memory.zswap.writeback"
}
