# Memory that is read, paged out and read again; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load
}

# From here on a fault reads its neighbours too: they are loaded into the swap cache and mapped by nobody.
hook_readahead() { put 3 /proc/sys/vm/page-cluster; }
