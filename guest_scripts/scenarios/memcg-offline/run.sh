# Memory cgroups removed with pages in zswap; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

FILES_KEPT=/run/kept
DOOMED="0 1 2 3 4 5 6 7"

setup() {
	# A program of the guest's: the same bytes in each trial, and they get about half as large.
	SOURCE=$(readlink -f /proc/self/exe)
	mkdir $FILES_KEPT && mount -t tmpfs none $FILES_KEPT &&
		put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent="$MAX_POOL_PERCENT" \
			accept_threshold_percent="$ACCEPT_THRESHOLD_PERCENT" shrinker_enabled=N &&
		memcg_make home/load memory.max="$MEMORY_MAX" || return 1
	for number in $DOOMED; do
		# Every other one meets a limit of its own: zswap_store() holds the cgroup while it writes back from it.
		limit=max
		[ $((number % 2)) = 0 ] || limit=$DOOMED_ZSWAP_MAX
		memcg_make "home/doomed.$number" memory.zswap.max="$limit" || return 1
	done
}

# 128 pages each. Reclaim may not find all that it is asked for: what counts is that most of the file is in zswap.
hook_populate() {
	for number in $DOOMED; do
		memcg=$CGROUP/home/doomed.$number
		sh -c 'echo $$ >"$0/cgroup.procs" && dd if="$1" of="$2" bs=4096 skip=$((16 * $3)) count=128 2>/dev/null' \
			"$memcg" "$SOURCE" "$FILES_KEPT/$number" "$number" || return 1
		echo 1M 2>/dev/null >"$memcg/memory.reclaim"
	done
	sample populated
}

hook_start_removal() { job removal remove_all; }

# remove_all: each cgroup once the worker has written back 32 pages more. Where it does not, after 2 s of guest time.
remove_all() {
	for number in $DOOMED; do
		goal=$(($(cat "$ZSWAP_DEBUG/written_back_pages") + 32))
		tries=400
		while [ "$(cat "$ZSWAP_DEBUG/written_back_pages")" -lt $goal ] && [ $tries -gt 0 ]; do
			tries=$((tries - 1))
			sleep 0.005
		done
		rmdir "$CGROUP/home/doomed.$number" || return 1
		note "removed doomed.$number, $(cat "$ZSWAP_DEBUG/written_back_pages") pages written back"
	done
}

hook_removed() { job_wait removal; }

teardown() {
	for number in $DOOMED; do
		dd if="$SOURCE" of=/run/expected bs=4096 skip=$((16 * number)) count=128 2>/dev/null &&
			compare "doomed.$number" /run/expected "$FILES_KEPT/$number" || return 1
	done
	rm /run/expected
	umount $FILES_KEPT
}
