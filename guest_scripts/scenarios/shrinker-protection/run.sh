# Swap-ins from the device against zswap's shrinker; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	need "$ZSWAP/shrinker_enabled"
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" shrinker_enabled=N &&
		memcg_make load memory.zswap.max=0
}

# What was written to the device is in the swap cache still: reclaim drops it, or there would be nothing to read from the
# device. It may not find as much as it is asked for.
hook_open() {
	echo 12M 2>/dev/null >"$CGROUP/load/memory.reclaim"
	put max "$CGROUP/load/memory.zswap.max"
}

# shrink: ask all shrinkers for what they have, zswap's last: drop_slab() goes round again while a round has freed something, and
# a second round, for dentries' sake, would write back what the first only aged (seen with a seed).
shrink() {
	put 2 /proc/sys/vm/drop_caches &&
		put Y "$ZSWAP/shrinker_enabled" &&
		put 2 /proc/sys/vm/drop_caches &&
		put N "$ZSWAP/shrinker_enabled"
}

# The first visit of an entry only clears its reference bit. Twice: a round visits twice as many as zswap_shrinker_count() says
# (do_shrink_slab() in mm/shrinker.c), and that is scaled by how well they compress.
hook_age() { shrink && shrink && sample aged; }

hook_protected() { shrink && sample protected; }

# Several times: each call uses up at most as many swap-ins as there are entries, and some may be left.
hook_unprotected() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do shrink || return 1; done
	sample unprotected
}
