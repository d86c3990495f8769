# zswap is switched off and on while pages are swapped out and in; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load
}

hook_off() { put N "$ZSWAP"/enabled && sample off; }

hook_on() {
	# What is on the device is in the swap cache as well until reclaim comes by again.
	reclaim load 4M
	sample still_off && put Y "$ZSWAP"/enabled
}

hook_off_again() { put N "$ZSWAP"/enabled; }

hook_on_again() { put Y "$ZSWAP"/enabled; }
