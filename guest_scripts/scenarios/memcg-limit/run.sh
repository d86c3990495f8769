# A memory cgroup at its memory.zswap.max; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	# page-cluster 0: a swap-in reads one page, so that nothing but the workload decides what is loaded.
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" shrinker_enabled=N &&
		memcg_make load memory.zswap.max="$ZSWAP_MAX"
}
