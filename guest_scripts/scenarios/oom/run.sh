# A process killed for want of memory; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" shrinker_enabled=N &&
		memcg_make load &&
		memcg_make greedy memory.max="$MEMORY_MAX" memory.zswap.max="$ZSWAP_MAX" memory.swap.max="$SWAP_MAX" &&
		mkfifo /run/begin
}

# Let the other process begin, and wait until it is dead, or has come to its end alive; at most 60 s of guest time.
hook_greed() {
	echo go >/run/begin
	tries=600
	while grep -q . "$CGROUP"/greedy/cgroup.procs && ! grep -qsF '"op":"barrier"' "$(record_of greedy)"; do
		[ $tries -gt 0 ] || return 1
		tries=$((tries - 1))
		sleep 0.1
	done
}
