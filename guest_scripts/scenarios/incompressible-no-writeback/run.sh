# Pages that do not get smaller and must not be written back; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load memory.zswap.writeback=0
}

# While nothing may be written back, and then the same pages again when they may.
hook_allow() {
	sample refused &&
		put 1 "$CGROUP"/load/memory.zswap.writeback
}
