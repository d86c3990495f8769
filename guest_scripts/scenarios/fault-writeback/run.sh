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

# spare_device: not what the swap device allocates for a page that is written to it: it would fail the write.
spare_device() {
	device_range=$(function_range __swap_writepage)
	[ -n "$device_range" ] || skip "this kernel has no __swap_writepage to leave out"
	put "${device_range% *}" /sys/kernel/debug/fail_page_alloc/reject-start &&
		put "${device_range#* }" /sys/kernel/debug/fail_page_alloc/reject-end
}
