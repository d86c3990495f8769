# Shared memory and files on tmpfs through zswap; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

OWN_FILES="/run/dropped_by_unlink /run/dropped_by_punch"

setup() {
	# The workload's files are in /run/swapped.
	mkdir -p /run/swapped && mount -t tmpfs -o size=16m swapped /run/swapped || return 1
	for file in $OWN_FILES; do echo 0 >"$file"; done
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load memory.zswap.max="$ZSWAP_MAX"
}

# In the guest's root file system, which nobody swaps out here.
hook_remember() { cp /run/swapped/file /run/remembered; }

# By read() in another process, outside the memory cgroup that the pages are charged to.
hook_compare() {
	sample stored
	compare file /run/remembered /run/swapped/file && rm /run/remembered
}

hook_count() { COUNTED=$(cat "$ZSWAP_DEBUG"/stored_pages); }

hook_unlinked() { dropped unlink; }

hook_punched() { dropped punch; }

# Entries go with their slots, so there is nothing to wait for.
dropped() { echo $((COUNTED - $(cat "$ZSWAP_DEBUG"/stored_pages))) >/run/dropped_by_"$1"; }
