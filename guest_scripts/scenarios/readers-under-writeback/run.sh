# Pages that are read while they are stored and written back; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put "$PAGE_CLUSTER" /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load memory.zswap.max="$ZSWAP_MAX"
}
