# One memory cgroup at its limit, another without one; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" shrinker_enabled=N &&
		memcg_make limited memory.zswap.max="$ZSWAP_MAX" memory.max="$MEMORY_MAX" &&
		memcg_make other
}

# Until the other process stands at its barrier, with all of its pages stored; at most 60 s of guest time.
hook_other_stored() {
	tries=600
	until grep -qsF '"op":"barrier","text":"pressed"' "$(record_of other)"; do
		[ $tries -gt 0 ] || return 1
		tries=$((tries - 1))
		sleep 0.1
	done
}
