# CPUs that go and come while pages are stored; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

CPUS=/sys/devices/system/cpu

setup() {
	mkfifo /run/go &&
		put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load memory.zswap.max="$ZSWAP_MAX" &&
		memcg_make other memory.zswap.max="$ZSWAP_MAX" || return 1
	# The first CPU cannot go (x86_64). Two others at most: more take time and show nothing more.
	LEAVING=$(find $CPUS -maxdepth 2 -path '*/cpu[0-9]*/online' | sort | head -n 2)
	[ -n "$LEAVING" ] || skip "no CPU of this machine can be taken offline"
}

hook_start() { job leaving cpus_leave && echo go >/run/go; }

# cpus_leave: each CPU out and in again, until the workload is through, 4 times at least and 64 at most.
cpus_leave() {
	rounds=0
	while [ $rounds -lt 64 ]; do
		[ $rounds -lt 4 ] || [ ! -e /run/stop ] || return 0
		for cpu in $LEAVING; do
			put 0 "$cpu" && put 1 "$cpu" || return 1
		done
		rounds=$((rounds + 1))
	done
}

hook_gone() {
	for cpu in $LEAVING; do
		put 0 "$cpu" || return 1
	done
	sample gone
}

hook_back() {
	for cpu in $LEAVING; do
		put 1 "$cpu" || return 1
	done
}

hook_stop() { : >/run/stop && job_wait leaving; }
