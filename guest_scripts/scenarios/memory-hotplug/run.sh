# Memory that goes and comes while zswap holds pages; see scenario.toml. Sourced by /guest/trial.
# shellcheck shell=sh

BLOCKS=/sys/devices/system/memory

setup() {
	need $BLOCKS/block_size_bytes
	make_movable &&
		put 0 /proc/sys/vm/page-cluster &&
		swap_on "$SWAP_MIB" "$SWAP_LATENCY_NS" &&
		zswap_on compressor="$COMPRESSOR" max_pool_percent=50 shrinker_enabled=N &&
		memcg_make load memory.zswap.max="$ZSWAP_MAX"
}

# make_movable: of each node the highest block that can go comes back for movable pages only: the kernel takes those first for
# what may move, the pool and the workload's pages, and can empty them again. Other blocks hold what cannot move (EBUSY).
make_movable() {
	MOVABLE=
	done_nodes=
	for number in $(find $BLOCKS -maxdepth 1 -name 'memory[0-9]*' | sed 's,.*/memory,,' | sort -rn); do
		block=$BLOCKS/memory$number
		node=$(find "$block" -maxdepth 1 -name 'node[0-9]*' | sed 's,.*/,,')
		case " $done_nodes " in *" $node "*) continue ;; esac
		echo offline 2>/dev/null >"$block/state" || continue
		put online_movable "$block/state" || return 1
		note "block $number of $node is movable"
		done_nodes="$done_nodes $node"
		MOVABLE="$MOVABLE $block"
	done
	[ -n "$MOVABLE" ] || skip "no block of memory can be taken offline"
}

hook_leave() { all_blocks offline && sample gone; }

hook_back() { all_blocks online_movable; }

all_blocks() {
	for block in $MOVABLE; do
		put "$1" "$block/state" || return 1
	done
}
