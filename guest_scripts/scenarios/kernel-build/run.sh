# A replay of a kernel build's memory in a memory cgroup that is too small for it; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" shrinker_enabled="$SHRINKER" &&
		memcg_make build memory.max="$MEMORY_MAX"
}
