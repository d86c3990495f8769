# Pages that are read while they are stored and written back; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

OWN_FILES=/run/met_by_shrinker

setup() {
	# Before 6.13 zswap takes no large folio.
	need "$HUGEPAGES"/hugepages-2048kB/stats/zswpout
	echo 0 >$OWN_FILES
	# zstd because it is slow, and therefore no knob: see scenario.toml.
	put madvise "$HUGEPAGES"/hugepages-2048kB/enabled &&
		put "$PAGE_CLUSTER" /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor=zstd max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load memory.zswap.max="$ZSWAP_MAX"
}

# The dynamic shrinker, for all memory cgroups and nodes: it stops at the first page that is in the swap cache.
hook_shrink() {
	already=$(cat "$ZSWAP_DEBUG"/reject_reclaim_fail)
	put Y "$ZSWAP"/shrinker_enabled && put 2 /proc/sys/vm/drop_caches && put N "$ZSWAP"/shrinker_enabled &&
		echo $(($(cat "$ZSWAP_DEBUG"/reject_reclaim_fail) - already)) >$OWN_FILES
}
