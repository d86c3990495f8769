# The kernel's own selftests; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

setup() {
	put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" shrinker_enabled=N &&
		memcg_make load &&
		files_on "$FILES_MIB"
}

# files_on MIB: a file system on a disk, at /tmp/files: test_memcontrol measures the page cache of files with O_TMPFILE
# in the folder it stands in, and tmpfs has none.
files_on() {
	mkdir "$NULLB"/files &&
		put "$1" "$NULLB"/files/size &&
		put 4096 "$NULLB"/files/blocksize &&
		put 1 "$NULLB"/files/memory_backed &&
		put 1 "$NULLB"/files/power || return 1
	FILES_DEVICE=/dev/files
	[ -b $FILES_DEVICE ] || FILES_DEVICE=/dev/nullb1
	mke2fs -b 4096 -m 0 $FILES_DEVICE >/dev/null && mkdir -p /tmp/files && mount -t ext2 $FILES_DEVICE /tmp/files
}

# Their cases become checks, whatever they are; only a program that could not be started makes the hook fail.
hook_selftests() {
	cd /tmp/files || return 1
	set +f
	for selftest in /trial/selftests/*; do
		set -f
		"$selftest" >"/results/ktap.${selftest##*/}" 2>&1
		selftest_status=$?
		note "${selftest##*/} ended with status $selftest_status"
		echo "# exit status: $selftest_status" >>"/results/ktap.${selftest##*/}"
		case $selftest_status in
		126 | 127) return 1 ;;
		esac
	done
	set -f
	# They push the trial's own shells out as well, whose pages would come back while counters are read one after another
	# (seen: 6 of them between stored_pages and the probes' counts). Now all that is in swap comes back.
	cd / && swap_off && swapon "$SWAP_DEVICE"
}

teardown() { umount /tmp/files; }
