# Memory for the pool that cannot be allocated; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load
}

hook_fail() {
	faults_in zswap_store fail_page_alloc min-order=0 ignore-gfp-wait=Y ignore-gfp-highmem=N interval="$FAULT_INTERVAL"
}

hook_stop_failing() { faults_off fail_page_alloc && reclaim load 8M && sample failed; }
