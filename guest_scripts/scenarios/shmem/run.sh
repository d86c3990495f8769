# Shared memory and files on tmpfs through zswap; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	# The workload's file is /run/swapped/file.
	mkdir -p /run/swapped && mount -t tmpfs -o size=16m swapped /run/swapped || return 1
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load memory.zswap.max="$ZSWAP_MAX"
}

hook_remember() { FILE_SUM=$(md5sum </run/swapped/file); }

# By read() in another process, outside the memory cgroup that the pages are charged to.
hook_compare() {
	sample stored
	seen=$(md5sum </run/swapped/file)
	[ "$seen" = "$FILE_SUM" ] && return 0
	note "the file was '$FILE_SUM' before it was swapped out, and another process reads '$seen'"
	return 1
}
