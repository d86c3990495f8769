# An entry of zswap that cannot be allocated; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load
}

hook_fail() {
	faults_in zswap_store failslab ignore-gfp-wait=N cache-filter=N interval="$FAULT_INTERVAL"
}

hook_stop_failing() { faults_off failslab && reclaim load 8M && sample failed; }
