#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# In the VM: stores on real loop devices and thin pools (tests/unit/test_store.c),
# then the same by the command line, and doctor. Last line: N passed, N failed.
set -uo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cpt="$top/build/cpt --store /scratch/store-cli"
suite=store
. "$top/tests/vm/lib.sh"

nothing_left() {
	[ "$(swaps)" = 0 ] || { cat /proc/swaps; return 1; }
	! ls -d /sys/fs/cgroup/cpt-doctor-* 2>/dev/null
}

# A container that dirties 8 MiB and is pushed out to its volume.
pin_and_swap() {
	local group=/sys/fs/cgroup/store-a device area
	$cpt pin --size 256M store-a || return 1
	device=$(cat $group/memory.swap.device)
	[[ $device == *:* ]] || { echo "memory.swap.device is $device"; return 1; }
	area=$(readlink -f "/sys/dev/block/$device")
	[ -e "$area/dm/name" ] || { echo "$device is no device-mapper device"; return 1; }
	(
		echo $BASHPID >$group/cgroup.procs
		exec python3 -c 'import os, sys, time
b = bytearray(os.urandom(4096) * 2048)
print(hash(bytes(b)), flush=True)
sys.stdin.readline()
print(hash(bytes(b)), flush=True)'
	) <"$1" >"$2" &
	exec 7>"$1"
	until [ -s "$2" ]; do nap 0.1; done
	echo 16M >$group/memory.reclaim
	[ "$(cat $group/memory.swap.current)" -gt 4000000 ] || { echo "nothing was swapped out"; return 1; }
}

unpin_and_check() {	# fifo, output
	$cpt unpin store-a || return 1
	[ "$(cat /sys/fs/cgroup/store-a/memory.swap.device)" = none ] || return 1
	[ "$(cat /sys/fs/cgroup/store-a/memory.swap.current)" = 0 ] || return 1
	echo go >&7
	exec 7>&-
	wait
	[ "$(sort -u "$2" | wc -l)" = 1 ] && [ "$(wc -l <"$2")" = 2 ]
}

# What is left when cpt was killed between the steps that activate a device.
half_activated() {
	local pool
	pool=$(dmsetup ls | awk '/^cpt-.*pool/ { print $1 }')
	sqlite3 /scratch/store-cli/catalog.db 'INSERT INTO unfinished (thin_id) VALUES (77)'
	dmsetup message "$pool" 0 'create_thin 77' && dmsetup create --notable "${pool%pool}77" || return 1
	refuses "not pinned" $cpt unpin store-a
	! dmsetup info "${pool%pool}77" 2>/dev/null || { dmsetup info; return 1; }
	[ "$(sqlite3 /scratch/store-cli/catalog.db 'SELECT count(*) FROM unfinished')" = 0 ]
}
half_activated_pool() {
	local pool
	pool=$(dmsetup ls | awk '/^cpt-.*pool/ { print $1 }')
	dmsetup remove "$pool" && dmsetup create --notable "$pool" && $cpt pin --size 256M store-b && $cpt unpin store-b
}

log_begin
mkdir -p /scratch/store-c
ok "library" env CPT_STORE_TEST=/scratch/store-c timeout 900 "$top/build/unit/test_store"
ok "doctor finds nothing missing that is required" $cpt doctor
ok "doctor leaves nothing" nothing_left
ok "a verb without a store says how to make one" refuses "cpt init" $cpt list
ok "init" $cpt init --data-size 512M
ok "second init is refused" refuses "there is a store" $cpt init
ok "an empty store lists nothing" bash -c "[ \"\$($cpt --json list)\" = '[]' ]"
mkfifo /tmp/store-fifo
mkdir -p /sys/fs/cgroup/store-a
ok "pinned memory goes to its volume" pin_and_swap /tmp/store-fifo /tmp/store-out
ok "second pin is refused" refuses "already" $cpt pin store-a
ok "pin of a cgroup that is not there is refused" refuses "store-b" $cpt pin store-b
ok "unpin brings the memory back" unpin_and_check /tmp/store-fifo /tmp/store-out
ok "second unpin is refused" refuses "not pinned" $cpt unpin store-a
ok "pin again" $cpt pin --size 256M store-a
rmdir /sys/fs/cgroup/store-a
mkdir /sys/fs/cgroup/store-b
ok "pin of a removed cgroup is swept by the next pin" $cpt pin --size 256M store-b
ok "one volume is left" test "$(swaps)" = 1
ok "unpin" $cpt unpin store-b
ok "a volume that was half activated is removed" half_activated
ok "a pool that was half activated is activated" half_activated_pool
rmdir /sys/fs/cgroup/store-b
ok "no volume is left" nothing_left
ok "kernel log is clean" log_is_clean
results
