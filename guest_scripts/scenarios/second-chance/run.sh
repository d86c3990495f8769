# A hot set in zswap among pages that nobody reads; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" shrinker_enabled=N &&
		memcg_make load
}

# The limit is compared in whole pages, and at it means over it: 16 entries take 5 pages.
hook_few() { sample few && put 20K "$CGROUP/load/memory.zswap.max"; }

hook_one() { sample one && put "$ZSWAP_MAX" "$CGROUP/load/memory.zswap.max"; }
