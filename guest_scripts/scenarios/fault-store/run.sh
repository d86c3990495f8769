# An entry of zswap that cannot be allocated; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

NODES=/sys/kernel/slab/radix_tree_node/failslab

setup() {
	need "$NODES"
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load
}

hook_fail() {
	faults_in zswap_store failslab ignore-gfp-wait=N cache-filter=N interval="$FAULT_INTERVAL"
}

hook_stop_failing() { faults_off failslab && reclaim load 8M && sample failed; }

hook_fail_nodes() {
	put 1 "$NODES" && faults_in zswap_store failslab ignore-gfp-wait=N cache-filter=Y interval=1
}

hook_stop_failing_nodes() { faults_off failslab && put 0 "$NODES" && sample nodes_failed; }
