# A full pool of which next to nothing may be written back; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" \
			accept_threshold_percent="$ACCEPT_THRESHOLD_PERCENT" shrinker_enabled=N &&
		memcg_make load &&
		memcg_make closed memory.zswap.writeback=0 &&
		mkfifo /run/begin
}

# Let the other process fill the pool, and be refused what it has more; at most 60 s of guest time.
hook_fill_pool() {
	echo go >/run/begin
	tries=600
	until grep -qsF '"op":"barrier","text":"pressed"' "$(record_of closed)"; do
		[ $tries -gt 0 ] || return 1
		tries=$((tries - 1))
		sleep 0.1
	done
	sample full
}

hook_rest() { sample rested; }
