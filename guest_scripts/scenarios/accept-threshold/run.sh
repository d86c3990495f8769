# The pool full, above and below the accept threshold; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" \
			accept_threshold_percent="$ACCEPT_THRESHOLD_PERCENT" shrinker_enabled=N &&
		memcg_make load memory.zswap.writeback=0
}

hook_full() { sample full; }

hook_still_full() { sample still-full; }
