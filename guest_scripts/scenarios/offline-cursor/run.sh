# Memory cgroups removed while shrink_worker()'s cursor rests on one of them; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

DOOMED="0 1 2 3 4 5 6 7"

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" \
			accept_threshold_percent="$ACCEPT_THRESHOLD_PERCENT" shrinker_enabled=N &&
		memcg_make load &&
		mkfifo /run/begin || return 1
	# In the worker's order the neighbours come behind the one that has the pages.
	for number in $DOOMED; do
		memcg_make "doomed.$number" memory.max="$MEMORY_MAX" || return 1
	done
}

# Let the other process fill the pool, and the worker come to rest; at most 60 s of guest time.
hook_fill_pool() {
	echo go >/run/begin
	tries=600
	until grep -qsF '"op":"barrier","text":"pressed"' "$(record_of doomed)"; do
		[ $tries -gt 0 ] || return 1
		tries=$((tries - 1))
		sleep 0.1
	done
	sample full
}

hook_remove() {
	put 1 "$CGROUP/doomed.0/cgroup.kill" || return 1
	tries=600
	while grep -q . "$CGROUP/doomed.0/cgroup.procs"; do
		[ $tries -gt 0 ] || return 1
		tries=$((tries - 1))
		sleep 0.1
	done
	sample freed
	# A CPU that has charged for a cgroup holds on to it, and drain_all_stock() passes over one whose stock happens to be empty
	# (is_memcg_drain_needed()). A CPU that leaves gives up all; on the one that stays a process gives the cgroup something to drain.
	others=$(find /sys/devices/system/cpu -maxdepth 2 -path '*/cpu[0-9]*/online')
	for cpu in $others; do
		put 0 "$cpu" || return 1
	done
	sh -c 'echo $$ >"$0/cgroup.procs"' "$CGROUP/doomed.0" || return 1
	for number in $DOOMED; do
		rmdir "$CGROUP/doomed.$number" || return 1
	done
	sample removed
	for cpu in $others; do
		put 1 "$cpu" || return 1
	done
}
