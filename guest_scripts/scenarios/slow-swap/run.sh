# Writeback to a slow swap device; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

# shellcheck disable=SC2034  # read by measured_files
OWN_FILES=/run/under_writeback

setup() {
	# page-cluster 3: reading back is 8 pages a request, or it would take a latency a page.
	put 3 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load memory.zswap.max="$ZSWAP_MAX"
}

# No sample: a sample is taken at rest, and the device still writes.
hook_pushed() { awk '$1 == "nr_writeback" {print $2}' /proc/vmstat >/run/under_writeback; }

hook_drop() { reclaim load 8M; }
