# Limits changed while pages are stored; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

LIMIT=$CGROUP/load/memory.zswap.max

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" shrinker_enabled=N &&
		memcg_make load memory.zswap.max=0
}

hook_raise() { sample none && put max "$LIMIT"; }

hook_lower() { sample raised && put "$LOWERED" "$LIMIT"; }

hook_start_moving() { sample lowered && job moving move_limit; }

# move_limit: each limit holds for some pages; 5 ms are about 100 of them.
move_limit() {
	for limit in 256K max 0 768K 64K 2M 0 512K 128K max; do
		put $limit "$LIMIT" || return 1
		sleep 0.005
	done
}

hook_close() { job_wait moving && sample moved && put 0 "$ZSWAP/max_pool_percent"; }

hook_reopen() { sample closed && put "$MAX_POOL_PERCENT" "$ZSWAP/max_pool_percent"; }
