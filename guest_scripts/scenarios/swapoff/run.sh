# swapoff while pages are read, and swapon again; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load memory.zswap.max="$ZSWAP_MAX"
}

hook_stored() {
	# What is on the device is in the swap cache as well until reclaim comes by again.
	reclaim load 8M
	sample stored
}

hook_begin_swapoff() { job swapoff swap_off; }

hook_await_swapoff() { job_wait swapoff && sample off; }

hook_swapon_again() { mkswap "$SWAP_DEVICE" >/dev/null && swapon "$SWAP_DEVICE"; }
