# A page for writeback that cannot be allocated; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load memory.zswap.max="$ZSWAP_MAX"
}

hook_fail() {
	spare_device &&
		faults_in shrink_memcg_cb fail_page_alloc min-order=0 ignore-gfp-wait=N ignore-gfp-highmem=N interval="$FAULT_INTERVAL"
}

hook_stop_failing() { faults_off fail_page_alloc && reclaim load 8M && sample failed; }

# spare_device: not what the swap device (null_blk) allocates to hold what is written to it: that would be a write error, and
# the data lost. By the device's own function: since 7.3 a write is submitted outside of __swap_writepage().
spare_device() {
	device_range=$(function_range null_process_cmd)
	[ -n "$device_range" ] || skip "this kernel has no null_process_cmd to leave out"
	put "${device_range% *}" /sys/kernel/debug/fail_page_alloc/reject-start &&
		put "${device_range#* }" /sys/kernel/debug/fail_page_alloc/reject-end
}
