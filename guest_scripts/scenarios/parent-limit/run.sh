# Two memory cgroups below one limit; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make parent memory.zswap.max="$ZSWAP_MAX" &&
		memcg_make parent/child &&
		memcg_make parent/other
}

# Until the other process stands at its barrier; at most 60 s of guest time.
hook_other() {
	tries=240
	until grep -qsF '"op":"barrier","text":"pressed"' /results/mempress.other; do
		[ $tries -gt 0 ] || return 1
		tries=$((tries - 1))
		sleep 0.25
	done
}
