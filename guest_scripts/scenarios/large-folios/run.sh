# Large folios stored whole, and in part; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	# Before 6.13 zswap takes no large folio.
	need "$HUGEPAGES"/hugepages-64kB/stats/zswpout "$HUGEPAGES"/hugepages-2048kB/stats/zswpout
	put 0 /proc/sys/vm/page-cluster &&
		put madvise "$HUGEPAGES"/hugepages-2048kB/enabled &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load memory.zswap.max="$ZSWAP_MAX"
}

# What is touched from here on comes in folios of 64 KiB.
hook_smaller() {
	put never "$HUGEPAGES"/hugepages-2048kB/enabled &&
		put madvise "$HUGEPAGES"/hugepages-64kB/enabled
}

hook_stored() { sample stored && put 0 "$CGROUP"/load/memory.zswap.writeback; }

hook_refused() { sample refused && put 1 "$CGROUP"/load/memory.zswap.writeback; }
