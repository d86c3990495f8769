# Many memory cgroups in one full pool; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" \
			accept_threshold_percent="$ACCEPT_THRESHOLD_PERCENT" shrinker_enabled=N || return 1
	for memcg_name in $TRIAL_MEMCGS; do
		memcg_make "$memcg_name" || return 1
	done
	put "$MEMORY_MAX" "$CGROUP/lead/memory.max"
}

# Until the 32 other processes stand at their barriers; at most 120 s of guest time.
hook_stored() {
	tries=480
	while [ "$(grep -rlsF '"op":"barrier","text":"pressed"' /results | wc -l)" -lt 32 ]; do
		[ $tries -gt 0 ] || return 1
		tries=$((tries - 1))
		sleep 0.25
	done
}
