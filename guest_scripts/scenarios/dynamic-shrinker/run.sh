# A memory cgroup at memory.max with zswap's shrinker; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	need "$ZSWAP/shrinker_enabled"
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" shrinker_enabled=Y &&
		memcg_make load memory.max="$MEMORY_MAX"
}
