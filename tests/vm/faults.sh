#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# In the VM: the pool of a store gets full, or the disks below it fail while cpt is at work, always or now and then. What
# it was doing fails and says what to do, the container runs on, and nothing is half there. Last line: N passed, N failed.
set -uo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
work=/scratch/faults
cpt="$top/build/cpt --store $work/store"
catalog=$work/store/catalog.db
run=$work/run
suite=faults
. "$top/tests/vm/lib.sh"

sectors() { blockdev --getsz "$1"; }
disk() {	# name, size: a device-mapper device that can turn bad
	truncate -s "$2" $work/"$1".img
	loop[$1]=$(losetup -f --show $work/"$1".img)
	dmsetup create "$1" --table "0 $(sectors "${loop[$1]}") linear ${loop[$1]} 0"
}
declare -A loop
turn() {	# name, table: "linear DEVICE 0" and so on
	dmsetup load "$1" --table "0 $(sectors "${loop[$1]}") $2" && dmsetup suspend --noflush --nolockfs "$1" && dmsetup resume "$1"
}
well() { turn "$1" "linear ${loop[$1]} 0"; }

# Of this store: others may be active beside it.
prefix() { echo "cpt-$(sqlite3 -readonly $catalog "SELECT substr(value, 1, 8) FROM setting WHERE key = 'uuid'")"; }
pool() { echo "$(prefix)-pool"; }
fill() {	# how many blocks are left: the others are somebody else's
	local status used nr
	read -ra status < <(dmsetup status "$(pool)")
	used=${status[5]}
	nr=$((${used#*/} - ${used%/*} - $1))
	dmsetup message "$(pool)" 0 'create_thin 9999' &&
		dmsetup create filler --table "0 $(sectors "${loop[data]}") thin /dev/mapper/$(pool) 9999" &&
		dd if=/dev/zero of=/dev/mapper/filler bs=1M count=$((nr * 64))K iflag=count_bytes oflag=direct 2>&1 | tail -n 1
}
not_full() { dmsetup remove filler && dmsetup message "$(pool)" 0 'delete 9999'; }

healthy() {
	local from now until=$((SECONDS + 15)) who
	mapfile -t from <$run/progress
	while [ $SECONDS -lt $until ]; do
		nap 0.02
		mapfile -t now <$run/progress
		for who in "${!from[@]}"; do [ $((10#${now[who]})) -gt $((10#${from[who]})) ] || continue 2; done
		[ ! -e $run/fail ] || { cat $run/fail; return 1; }
		return 0
	done
	echo "somebody stands still: ${from[*]} -> ${now[*]}"
	grep -HE '^(Name|State)' $(sed 's,.*,/proc/&/status,' $groups/busy/cgroup.procs)
	return 1
}
start() {
	rm -rf $run
	mkdir -p $run
	$cpt run --pid-levels 2 --output $work/output busy -- \
		env -i PATH="$PATH" CPT_LIVE_DIR=$run CPT_LIVE_MODE=ns "$top/build/live/process_busy" >/dev/null 8>&- &&
		wait_for 90 $run/ready $run/fail && healthy
}
snapshots() { sqlite3 -readonly $catalog 'SELECT count(*) FROM snapshot'; }
# Rows of everything, and what the kernel has.
traces() {
	local volumes=(/dev/mapper/*) cgroups=($groups/*/)
	echo "${volumes[*]##*-} ${cgroups[*]} $(swaps) $(sqlite3 -readonly $catalog 'SELECT (SELECT count(*) FROM pin),
		(SELECT count(*) FROM volume), (SELECT count(*) FROM snapshot), (SELECT count(*) FROM process)')"
}
as_before() { traces | diff $work/before -; }

# It fails, says so, and what to do.
fails() {	# command...
	if "$@" >$work/said 2>&1; then
		echo "it did not fail: $*"
		return 1
	fi
	cat $work/said
	grep -q '^cpt: ' $work/said && grep -q '^     ' $work/said || { echo "it does not say what to do"; return 1; }
}

# ---- a full pool ---------------------------------------------------------------

full() {	# blocks that are left, command...: as it was, then and when there is room again
	local status=0
	traces >$work/before
	fill "$1" && fails "${@:2}" || status=1
	! populated busy || healthy || status=1
	not_full && as_before || status=1
	return $status
}
full_snapshot() { full "$1" $cpt snapshot busy && $cpt snapshot busy && healthy; }
full_pin() {
	mkdir -p $groups/other
	full 0 $cpt pin other && $cpt pin other && $cpt unpin other && rmdir $groups/other
}
# It may come to be, for what it has to write it has in memory.
full_restore() {
	local status=0
	id=$($cpt snapshot --kill busy) && end busy || return 1
	traces >$work/before
	fill 0
	if $cpt restore "$id" >$work/said 2>&1; then
		healthy || status=1
		end busy || status=1
	else
		grep -q '^     ' $work/said || { cat $work/said; status=1; }
	fi
	not_full && as_before && [ $status = 0 ] && $cpt restore "$id" && healthy
}
# What a snapshot has is given back when it is removed, also then.
full_rm() {
	local id
	id=$($cpt snapshot busy) && fill 0 && $cpt rm "$id"; status=$?
	not_full && healthy && return $status
}

# ---- a data device that fails ----------------------------------------------------

# What the kernel can't write when a transaction of the pool ends makes it read-only until thin_check(8) had a look: each
# of these needs a store of its own.
fresh() {
	mkdir -p $work
	disk data 128M && disk metadata 32M &&
		$cpt init --data /dev/mapper/data --metadata /dev/mapper/metadata && start && id=$($cpt snapshot busy)
}
volumes() { dmsetup ls | awk '{ print $1 }' | grep "^$(prefix)-" | grep -v pool; }
unbind() {
	local group
	for group in $groups/*/; do echo none >"$group/memory.swap.device"; done
}
over() {
	local device
	[ ! -d $groups/busy ] || kill_all busy
	for device in $(volumes); do
		swapoff "/dev/mapper/$device" 2>/dev/null
		unbind
		swapoff "/dev/mapper/$device" 2>/dev/null
		dmsetup remove "$device"
	done
	dmsetup remove "$(pool)"
	for device in data metadata; do dmsetup remove $device && losetup -d "${loop[$device]}"; done
	find $groups -mindepth 1 -type d -delete
	rm -rf $work
}
# It fails and says what to do, or has nothing to do with that disk. The container runs on, and all is in the catalog
# that was there.
data_fails() {	# command...
	local status=0
	fresh && turn data error || return 1
	"$@" >$work/said 2>&1 || fails "$@" || status=1
	healthy && $cpt list | grep -q "$id" || status=1
	well data
	healthy || status=1
	over
	return $status
}
snapshot_data_fails() {
	local status=0
	fresh && turn data error && fails $cpt snapshot busy && healthy || status=1
	well data && [ "$(snapshots)" = 1 ] && $cpt snapshot busy && healthy || status=1
	over
	return $status
}
pin_data_fails() {
	mkdir -p $groups/other
	data_fails $cpt pin other
}
rm_data_fails() {
	local status=0
	fresh && turn data error && { $cpt rm "$id" || fails $cpt rm "$id" || $cpt list; } && healthy || status=1
	over
	return $status
}
# What is read comes from nowhere: the restore fails, or its tasks do.
restore_data_fails() {
	local status=0
	fresh && id=$($cpt snapshot --kill busy) && turn data error || return 1
	$cpt restore "$id" >$work/said 2>&1 || grep -q '^     ' $work/said || { cat $work/said; status=1; }
	nap 1
	kill_all busy
	well data
	$cpt list | grep -q "$id" || status=1
	over
	return $status
}
# Each snapshot is there, or it said why not.
data_is_flaky() {
	local i made=1 status=0
	fresh && turn data "flakey ${loop[data]} 0 1 1" || return 1
	for i in $(seq 5); do
		if $cpt snapshot busy >$work/said 2>&1; then
			made=$((made + 1))
		else
			grep -q '^     ' $work/said || { cat $work/said; status=1; }
		fi
		healthy || status=1
	done
	well data
	[ "$(snapshots)" = $made ] && healthy || status=1
	over
	return $status
}

# ---- a metadata device that fails --------------------------------------------------

# The pool is dead then; what is in memory is not. With the device well and the pool activated again all is there.
metadata_fails() {	# command...
	local status=0 device
	fresh && turn metadata error || return 1
	fails "$@" && healthy || status=1
	well metadata
	kill_all busy
	for device in $(volumes); do
		unbind
		swapoff "/dev/mapper/$device"
		dmsetup remove "$device" || status=1
	done
	dmsetup remove "$(pool)" || status=1
	$cpt unpin busy
	$cpt restore "$id" && healthy && [ "$(snapshots)" = 1 ] || status=1
	over
	return $status
}
pin_metadata_fails() {
	mkdir -p $groups/other
	metadata_fails $cpt pin other
}

log_begin
ok "a store on devices, a container, a snapshot" fresh
ok "the pool is full before a snapshot" full_snapshot 0
ok "the pool gets full during a snapshot" full_snapshot 20
ok "the pool is full before pin" full_pin
ok "the pool is full before restore" full_restore
ok "the pool is full before rm" full_rm
ok "the container ends, and its store" eval 'end busy && over'
ok "the data device fails during a snapshot" snapshot_data_fails
ok "the data device fails during pin" pin_data_fails
ok "the data device fails during rm" rm_data_fails
ok "the data device fails during a restore" restore_data_fails
ok "the data device is flaky during snapshots" data_is_flaky
ok "the metadata device fails during a snapshot" metadata_fails $cpt snapshot busy
ok "the metadata device fails during pin" pin_metadata_fails
results
