# What scenarios and the trial script share. POSIX sh; sourced, never run.
# shellcheck shell=sh

ZSWAP=/sys/module/zswap/parameters
ZSWAP_DEBUG=/sys/kernel/debug/zswap
CGROUP=/sys/fs/cgroup
NULLB=/sys/kernel/config/nullb
KMEMLEAK=/sys/kernel/debug/kmemleak
TRACEFS=/sys/kernel/tracing
HUGEPAGES=/sys/kernel/mm/transparent_hugepage

# note TEXT: a line of the trial's own log, with guest time.
note() { echo "$(cut -d' ' -f1 /proc/uptime) $*"; }

# fail STATUS TEXT: end the trial; what was measured so far stays.
fail() {
	note "FAILED: $2"
	give_up "$1"
}

# skip TEXT: end the trial because this kernel does not have what the scenario is about. Also from a hook.
skip() {
	note "SKIPPED: $*"
	: >/run/skipped
	give_up 14
}

# need FILE...: skip where the kernel does not have one of them.
need() {
	for file in "$@"; do
		[ -e "$file" ] || skip "this kernel has no $file"
	done
}

give_up() {
	for job in $SAMPLER $HOOKS $PRESS; do kill "$job" 2>/dev/null; done
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

# swap_off: all swap off; what is in zswap is read back.
swap_off() {
	while read -r device _; do
		case $device in
		/*) swapoff "$device" || return 1 ;;
		esac
	done </proc/swaps
}

# zswap_on NAME=VALUE...: set zswap's module parameters, then switch it on. Without the compressor that is asked for: skip.
zswap_on() {
	for setting in "$@"; do
		[ "${setting%%=*}" != compressor ] || has_compressor "${setting#*=}" ||
			skip "this kernel has no compressor ${setting#*=}"
		put "${setting#*=}" "$ZSWAP/${setting%%=*}" || return 1
	done
	put Y $ZSWAP/enabled
}

# has_compressor NAME: whether this kernel has it, by its name or a driver's, for zswap to use: as an acomp, or an scomp, which
# crypto makes one of (crypto_has_acomp()). True where the kernel does not tell what it has: then zswap says it.
has_compressor() {
	[ -r /proc/crypto ] || return 0
	awk -v wanted="$1" '
		$1 == "name" {named = $3 == wanted}
		$1 == "driver" && $3 == wanted {named = 1}
		$1 == "type" && named && $3 ~ /^[as]comp$/ {found = 1}
		END {exit !found}' /proc/crypto
}

# memcg_make NAME [FILE=VALUE...]: a memory cgroup below the root, PARENT/CHILD below another one, with limits.
memcg_make() {
	memcg=$CGROUP/$1
	memcg_allow_children "${memcg%/*}" && mkdir -p "$memcg" || return 1
	shift
	for setting in "$@"; do
		put "${setting#*=}" "$memcg/${setting%%=*}" || return 1
	done
}

# memcg_allow_children FOLDER: what lies below it counts its memory by itself.
memcg_allow_children() {
	case $1 in
	$CGROUP/*) mkdir -p "$1" && memcg_allow_children "${1%/*}" || return 1 ;;
	esac
	put +memory "$1/cgroup.subtree_control"
}

# press: start the scenario's processes, each in its memcg. Each stops at its barrier "pressed" until it is released.
press() {
	mkfifo /run/pressed
	while read -r name memcg seed killable; do
		record=$(record_of "$name")
		: >"$record"
		sh -c 'echo $$ >"$0/cgroup.procs" && exec mempress "$@"' "$CGROUP/$memcg" \
			"/trial/workloads/$name" --seed "$seed" --log "$record" </dev/null &
		PRESS="$PRESS $!"
		PROCESSES="$PROCESSES $!:$name:$killable"
	done </trial/processes
}

# record_of NAME: the file that a process keeps its record in.
record_of() {
	case $1 in
	main) echo /results/mempress ;;
	*) echo "/results/mempress.$1" ;;
	esac
}

# await_pressed: until every process stands at its barrier; 11 when one ended before, 12 when time is up.
await_pressed() {
	left=$((TRIAL_GUEST_TIMEOUT_S * 4))
	while ! all_pressed; do
		[ -z "$ENDED" ] || return 11
		[ ! -e /run/skipped ] || give_up 14
		[ "$left" -gt 0 ] || return 12
		left=$((left - 1))
		sleep 0.25
	done
}

# all_pressed: whether each process is at its barrier or, where it may be, was killed. ENDED names one that just ended.
all_pressed() {
	ENDED=
	for process in $PROCESSES; do
		name=${process#*:}
		killable=${name#*:}
		name=${name%:*}
		grep -qsF '"op":"barrier","text":"pressed"' "$(record_of "$name")" && continue
		kill -0 "${process%%:*}" 2>/dev/null && return 1
		[ "$killable" = yes ] && continue
		ENDED=$name
		return 1
	done
}

release_workload() { echo go >/run/pressed; }

# finish_workload: wait for all processes. WORKLOAD is 0, 1 (wrong data) or the status of one that ended otherwise.
finish_workload() {
	WORKLOAD=0
	for process in $PROCESSES; do
		name=${process#*:}
		name=${name%:*}
		wait "${process%%:*}"
		status=$?
		case $status:${process##*:} in
		0:*) ;;
		1:*) [ $WORKLOAD -gt 1 ] || WORKLOAD=1 ;;
		137:yes) note "$name was killed" ;;
		*)
			note "$name ended with status $status"
			WORKLOAD=$status
			;;
		esac
	done
}

# serve_hooks: for each `step hook NAME` of a workload run hook_NAME of the scenario's run.sh, outside its memcg, and
# answer with its status. One after another, in one shell: what one hook sets the next one sees.
serve_hooks() {
	mkfifo /run/hook.request /run/hook.reply
	while :; do
		read -r hook </run/hook.request || continue
		note "hook $hook"
		"hook_$hook"
		status=$?
		[ $status = 0 ] || note "the hook $hook failed with status $status"
		echo $status >/run/hook.reply
	done
}

# job NAME COMMAND...: run a command beside the workload; job_wait NAME waits for it and gives its status.
job() {
	job_name=$1
	shift
	"$@" &
	eval "JOB_$job_name=$!"
}

job_wait() { eval "wait \$JOB_$1"; }

# sample LABEL: read all counters once nothing moves any more.
sample() {
	settle
	read_counters "$1"
}

# read_counters LABEL: files, then calls. Read once for nothing before: our own tools may have been swapped out, and what
# their coming back frees between the two would be missing in one of them.
read_counters() {
	read_into /run/unread /run/unread "$1" && rm -f /run/unread
	read_into /results/samples /results/counts "$1"
}

read_into() {
	# shellcheck disable=SC2086 # a list of words
	sampler --once --label "$3" --out "$1" $FILES &&
		probes --read "$TRACEFS" /trial/probes.spec --label "$3" --out "$2"
}

# teardown: what a scenario undoes when all is read back; run.sh may define its own.
teardown() { :; }

# compare NAME EXPECTED FOUND: whether a file reads as it should, page by page. Wrong bytes are wrong data, as those that mempress
# finds, and no failure of the script: /results/compared gets a line of each wrong page (at most 16) and one of the file.
# False where it cannot be said which bytes are wrong: the file ends early, or cannot be read.
compare() {
	bad=0
	if ! told=$(cmp "$2" "$3" 2>&1); then
		bad=$(wrong_pages "$2" "$3" | wc -l)
		if [ "$bad" = 0 ]; then
			note "$1 does not read as it should: $told"
			return 1
		fi
		: >/run/wrong_data
		wrong_pages "$2" "$3" | head -n 16 | while read -r page offset count; do
			printf '{"bad_page":{"file":"%s","page":%d,"offset":%d,"expected":"%s","found":"%s","wrong_bytes":%d}}\n' "$1" \
				"$page" "$offset" "$(bytes_of "$2" "$page" "$offset")" "$(bytes_of "$3" "$page" "$offset")" "$count"
		done >>/results/compared
	fi
	printf '{"op":"compare","file":"%s","pages":%d,"bad":%d}\n' "$1" $((($(wc -c <"$2") + 4095) / 4096)) "$bad" >>/results/compared
	[ "$(wc -c <"$2")" = "$(wc -c <"$3")" ] || {
		note "$1 has $(wc -c <"$3") bytes, and not $(wc -c <"$2")"
		return 1
	}
}

# wrong_pages EXPECTED FOUND: of each page that differs its number, the offset of the first wrong byte, and how many are wrong.
wrong_pages() {
	cmp -l "$1" "$2" 2>/dev/null | awk '
		{page = int(($1 - 1) / 4096)}
		NR > 1 && page != last {print last, first, count}
		NR == 1 || page != last {last = page; first = ($1 - 1) % 4096; count = 0}
		{count++}
		END {if (NR) print last, first, count}'
}

# bytes_of FILE PAGE OFFSET: 16 bytes from there in hex, fewer at the page's end.
bytes_of() {
	left=$((4096 - $3))
	xxd -p -s $(($2 * 4096 + $3)) -l $((left < 16 ? left : 16)) "$1"
}

# settle: until what still moves has not moved for 2.5 s of guest time (writeback is asynchronous, and a memory cgroup's
# counters may be up to 2 s late: mm/memcontrol.c, FLUSH_TIME), at most 60 s.
settle() {
	last=none
	tries=120
	rested=0
	while [ $tries -gt 0 ]; do
		now=$(cat $ZSWAP_DEBUG/stored_pages $ZSWAP_DEBUG/written_back_pages; grep -E '^(zswp|pswp|nr_writeback )' /proc/vmstat)
		if [ "$now" = "$last" ]; then
			rested=$((rested + 1))
			[ $rested -lt 5 ] || return 0
		else
			rested=0
		fi
		last=$now
		tries=$((tries - 1))
		sleep 0.5
	done
	note "did not settle"
}

# What is read at each sample, and (less of it) while the workload runs. Globs: expanded at each sample.
measured_files() {
	echo $ZSWAP_DEBUG/* $ZSWAP/* /proc/vmstat /proc/zoneinfo /proc/meminfo /proc/swaps /proc/pressure/*
	echo $CGROUP/cgroup.stat $CGROUP/memory.stat $CGROUP/memory.zswap.writeback $HUGEPAGES/hugepages-*kB/stats/*
	memcg_files memory.stat memory.events memory.current memory.max memory.high memory.swap.current memory.swap.max \
		memory.zswap.current memory.zswap.max memory.zswap.writeback memory.pressure
	echo /sys/devices/system/node/node*/vmstat /sys/devices/system/node/node*/numastat
	# Files with one number each that a scenario writes itself, for metrics of the source file:/PATH.
	# shellcheck disable=SC2086
	echo ${OWN_FILES:-}
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

# describe_topology: what the kernel made of the machine, a line a node: number, memory in KiB, CPUs, distances; then its
# access classes, where the machine has an HMAT: from which nodes, and how well (- for what is not told).
describe_topology() {
	for number in $(node_numbers); do
		node=/sys/devices/system/node/node$number
		memory=$(awk '$3 == "MemTotal:" {print $4}' "$node/meminfo")
		echo "node $number memory_kib $memory cpus $(cat "$node/cpulist") distances $(cat "$node/distance")"
		for class in 0 1; do
			access=$node/access$class/initiators
			[ ! -d "$access" ] || echo "access $number class $class initiators $(initiators "$access") performance" \
				"$(for name in read_latency write_latency read_bandwidth write_bandwidth; do value "$access/$name"; done | xargs)"
		done
	done
	echo "online $(cat /sys/devices/system/cpu/online)"
	for state in has_cpu has_memory; do
		[ ! -e /sys/devices/system/node/$state ] || echo "$state $(cat /sys/devices/system/node/$state)"
	done
}

# initiators FOLDER: the numbers of the nodes that it links to, in order.
initiators() { find "$1" -name 'node[0-9]*' | sed 's,.*/node,,' | sort -n | xargs; }

# value FILE: its number, or - when the kernel has none.
value() { cat "$1" 2>/dev/null || echo -; }

# node_numbers: from a list such as 0-3,5.
node_numbers() { tr ',' '\n' </sys/devices/system/node/online | awk -F- '{for (n = $1; n <= ($2 == "" ? $1 : $2); n++) print n}'; }

# describe_kernel: names and versions that the record shows.
describe_kernel() {
	echo "release $(uname -r)"
	echo "compressor $(cat $ZSWAP/compressor)"
}

# kmemleak_scan: look twice for memory that nothing points at, where the kernel can (debug flavours). Twice, for the first look
# only remembers checksums of what is new (mm/kmemleak.c, update_checksum); 6 s apart, since younger objects than 5 s are not
# reported. The kernel's log gets what was found, with stacks; /results/kmemleak says whether it was looked for.
kmemleak_scan() {
	[ -e "$KMEMLEAK" ] || return 0
	echo 1 >/sys/module/kmemleak/parameters/verbose
	for pause in 6 0; do
		# EPERM once kmemleak has switched itself off (kmemleak_write()).
		if ! echo scan >"$KMEMLEAK"; then
			echo off >/results/kmemleak
			return 0
		fi
		sleep $pause
	done
	echo scanned >/results/kmemleak
}

# faults_in FUNCTION FAULT NAME=VALUE...: every so many-th allocation (interval=) inside FUNCTION fails, whatever it is called
# from there. FAULT: failslab or fail_page_alloc. By the stack, so that nothing else fails; silently, since a message a
# failure would fill the kernel's log. Counted, not drawn: probability=100 leaves nothing to chance.
# ignore-gfp-wait=N: also allocations that may wait, which is what the kernel spares unless told otherwise.
faults_in() {
	fault_range=$(function_range "$1")
	fault=/sys/kernel/debug/$2
	shift 2
	[ -n "$fault_range" ] || skip "this kernel has no function of that name to inject faults into"
	need "$fault/require-start"
	for setting in verbose=0 times=-1 space=0 task-filter=N stacktrace-depth=32 "$@" \
		require-start="${fault_range% *}" require-end="${fault_range#* }" probability=100; do
		put "${setting#*=}" "$fault/${setting%%=*}" || return 1
	done
}

# faults_off FAULT: none any more.
faults_off() { put 0 "/sys/kernel/debug/$1/probability"; }

# function_range FUNCTION: where it begins, and where the next symbol does.
function_range() { awk -v name="$1" '$3 == name {start = $1} start && $1 != start {print "0x" start, "0x" $1; exit}' /proc/kallsyms; }

# reclaim MEMCG SIZE: as much of its memory as goes. After a pageout what is left is mostly the swap cache of pages that were
# written: they are read from the device only when they are gone from there.
reclaim() { echo "$2" 2>/dev/null >"$CGROUP/$1/memory.reclaim" || note "not all of $2 of $1 could be reclaimed"; }
