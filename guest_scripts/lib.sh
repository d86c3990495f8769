# What scenarios and the trial script share. POSIX sh; sourced, never run.
# shellcheck shell=sh

ZSWAP=/sys/module/zswap/parameters
ZSWAP_DEBUG=/sys/kernel/debug/zswap
CGROUP=/sys/fs/cgroup
NULLB=/sys/kernel/config/nullb

# note TEXT: a line of the trial's own log, with guest time.
note() { echo "$(cut -d' ' -f1 /proc/uptime) $*"; }

# fail STATUS TEXT: end the trial; what was measured so far stays.
fail() {
	note "FAILED: $2"
	for job in $SAMPLER $PRESS; do kill "$job" 2>/dev/null; done
	dmesg >/results/dmesg
	exit "$1"
}

# put VALUE FILE: write one value, loudly.
put() {
	if ! echo "$1" >"$2"; then
		note "cannot write '$1' to $2"
		return 1
	fi
}

# swap_on MIB LATENCY_NS: swap on a null_blk device: asynchronous, inside the guest, with a latency of our choosing.
# memory_backed: what is written can be read again. irqmode=2: a timer completes each request after LATENCY_NS.
swap_on() {
	mkdir $NULLB/swap &&
		put "$1" $NULLB/swap/size &&
		put 4096 $NULLB/swap/blocksize &&
		put 1 $NULLB/swap/memory_backed &&
		put 2 $NULLB/swap/irqmode &&
		put "$2" $NULLB/swap/completion_nsec &&
		put 1 $NULLB/swap/submit_queues &&
		put 1 $NULLB/swap/power || return 1
	SWAP_DEVICE=/dev/swap
	[ -b $SWAP_DEVICE ] || SWAP_DEVICE=/dev/nullb0
	mkswap $SWAP_DEVICE >/dev/null && swapon $SWAP_DEVICE
}

# zswap_on NAME=VALUE...: set zswap's module parameters, then switch it on.
zswap_on() {
	for setting in "$@"; do
		put "${setting#*=}" "$ZSWAP/${setting%%=*}" || return 1
	done
	put Y $ZSWAP/enabled
}

# memcg_make NAME [FILE=VALUE...]: a memory cgroup below the root, with limits.
memcg_make() {
	put +memory $CGROUP/cgroup.subtree_control && mkdir "$CGROUP/$1" || return 1
	memcg_name=$1
	shift
	for setting in "$@"; do
		put "${setting#*=}" "$CGROUP/$memcg_name/${setting%%=*}" || return 1
	done
}

# press: run the workload inside the scenario's first memcg. The workload stops at its barrier "pressed" until it is released.
press() {
	mkfifo /run/pressed
	sh -c 'echo $$ >"$0/cgroup.procs" && exec mempress /trial/workload --seed "$1" --log /results/mempress' \
		"$CGROUP/${TRIAL_MEMCGS%% *}" "$TRIAL_SEED"
}

# await_pressed: until the workload says that it stands at its barrier; 11 when it ended before, 12 when time is up.
await_pressed() {
	left=$TRIAL_GUEST_TIMEOUT_S
	while ! grep -qs '"op":"barrier"' /results/mempress; do
		kill -0 "$PRESS" 2>/dev/null || return 11
		[ "$left" -gt 0 ] || return 12
		left=$((left - 1))
		sleep 1
	done
}

release_workload() { echo go >/run/pressed; }

# settle: until two reads of what still moves are the same (writeback is asynchronous), at most 60 s of guest time.
settle() {
	last=none
	tries=120
	while [ $tries -gt 0 ]; do
		now=$(cat $ZSWAP_DEBUG/stored_pages $ZSWAP_DEBUG/written_back_pages; grep -E '^(zswp|pswp|nr_writeback )' /proc/vmstat)
		[ "$now" != "$last" ] || return 0
		last=$now
		tries=$((tries - 1))
		sleep 0.5
	done
	note "did not settle"
}

# What is read before and after, and (less of it) while the workload runs. Globs: expanded at each sample.
measured_files() {
	echo $ZSWAP_DEBUG/* /proc/vmstat /proc/zoneinfo /proc/meminfo /proc/swaps /proc/pressure/*
	memcg_files memory.stat memory.events memory.current memory.swap.current memory.zswap.current memory.zswap.max memory.pressure
	echo /sys/devices/system/node/node*/vmstat /sys/devices/system/node/node*/numastat
}

sampled_files() {
	echo $ZSWAP_DEBUG/* /proc/vmstat
	memcg_files memory.stat memory.current memory.zswap.current
	echo /sys/devices/system/node/node*/vmstat
}

memcg_files() {
	for memcg in $TRIAL_MEMCGS; do
		for name in "$@"; do
			echo "$CGROUP/$memcg/$name"
		done
	done
}

# describe_topology: what the kernel made of the machine, a line a node: number, memory in KiB, CPUs, distances.
describe_topology() {
	for number in $(node_numbers); do
		node=/sys/devices/system/node/node$number
		memory=$(awk '$3 == "MemTotal:" {print $4}' "$node/meminfo")
		echo "node $number memory_kib $memory cpus $(cat "$node/cpulist") distances $(cat "$node/distance")"
	done
	echo "online $(cat /sys/devices/system/cpu/online)"
}

# node_numbers: from a list such as 0-3,5.
node_numbers() { tr ',' '\n' </sys/devices/system/node/online | awk -F- '{for (n = $1; n <= ($2 == "" ? $1 : $2); n++) print n}'; }

# describe_kernel: names and versions that the record shows.
describe_kernel() {
	echo "release $(uname -r)"
	echo "compressor $(cat $ZSWAP/compressor)"
}
