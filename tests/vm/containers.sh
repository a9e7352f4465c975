#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# In the VM: what containers, snapshots and restores do to each other and leave
# behind, over time. Last line: N passed, N failed.
set -uo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cpt=$top/build/cpt
catalog=/var/lib/cpt/catalog.db
work=/scratch/containers
suite=containers
. "$top/tests/vm/lib.sh"

# What a failed test left is not to fail those after it.
after_failure() {
	local group
	for group in $groups/*/; do end "$(basename "$group")"; done
}

as_before() { inventory | diff "$work/before" -; }

start() {	# program cgroup; its directory is $work/run
	rm -rf $work/run
	mkdir -p $work/run
	$cpt run --pid-levels 2 --output $work/output "$2" -- \
		env -i PATH="$PATH" CPT_LIVE_DIR=$work/run CPT_LIVE_MODE=ns "$top/build/live/$1" >/dev/null 8>&- &&
		wait_for 90 $work/run/ready $work/run/fail && [ ! -e $work/run/fail ]
}

# What has been restored into @cgroup finds itself as it was in epoch @epoch.
found() {	# cgroup epoch
	wait_for 90 "$work/run/found.$1" $work/run/fail || return 1
	[ ! -e $work/run/fail ] || { cat $work/run/fail; return 1; }
	[ "$(cat "$work/run/found.$1")" = "$2" ] || { echo "epoch $(cat "$work/run/found.$1") instead of $2"; return 1; }
}
forget() { rm -f $work/run/{go,pass,fail} $work/run/found.*; }

# ---- one writer, ten snapshots ---------------------------------------------

ids=()
snapshots_in_a_row() {
	local epoch id
	start memory_writer writer || return 1
	for epoch in $(seq 10); do
		pkill -USR1 -x memory_writer && wait_for 30 "$work/run/epoch-$epoch" || return 1
		id=$($cpt snapshot writer) || return 1
		ids+=("$id")
	done
	forget
	touch $work/run/go
	found writer 10 && end writer
}
each_restorable() {
	local epoch
	for epoch in 10 1 2 3 4 5 6 7 8 9; do
		forget
		$cpt restore "${ids[epoch - 1]}" || return 1
		touch $work/run/go
		found writer $epoch && end writer || return 1
	done
}
two_at_once() {
	local first second
	forget
	$cpt restore --cgroup writer-a "${ids[4]}" &
	first=$!
	$cpt restore --cgroup writer-b "${ids[4]}" &
	second=$!
	wait $first && wait $second || return 1
	touch $work/run/go
	found writer-a 5 && found writer-b 5 && end writer-a && end writer-b
}
snapshot_beside_restore() {
	local id
	forget
	$cpt restore "${ids[1]}" && pkill -USR1 -x memory_writer && wait_for 30 $work/run/epoch-3 || return 1
	$cpt restore --cgroup writer-a "${ids[0]}" &
	id=$($cpt snapshot writer) && wait $! || return 1
	touch $work/run/go
	found writer 3 && found writer-a 1 && end writer && end writer-a || return 1
	forget
	$cpt restore "$id" || return 1
	touch $work/run/go
	found writer 3 && end writer && $cpt rm "$id"
}
# Removing others, also what it was made from, does not harm a snapshot.
middle_remains() {
	for id in "${ids[@]:0:5}" "${ids[@]:6}"; do $cpt rm "$id" || return 1; done
	forget
	$cpt restore "${ids[5]:-}" || return 1
	touch $work/run/go
	found writer 6 && end writer
}

# ---- refusals, and what they leave -----------------------------------------

reads() { awk '/^pswpin/ { print $2 }' /proc/vmstat; }
memory_is_read_ahead() {
	local before pages
	forget
	pages=$(sqlite3 -readonly $catalog "SELECT pages FROM snapshot WHERE id = '${ids[5]:-}'")
	before=$(reads)
	$cpt restore --prefetch "${ids[5]:-}" || return 1
	echo "$pages pages, $(($(reads) - before)) read"
	[ $(($(reads) - before)) -ge $((pages * 9 / 10)) ] && end writer
}

# A catalog that says something else than cpt would have written.
forged() {	# table, assignment, what the error says
	local status=0
	sqlite3 $catalog ".backup $work/honest.db"
	sqlite3 $catalog "UPDATE $1 SET $2 WHERE snapshot_id = '${ids[5]:-}'" || return 1
	refuses "$3" $cpt restore "${ids[5]:-}" && refuses "$3" $cpt restore --dry-run "${ids[5]}" || status=1
	sqlite3 $catalog ".restore $work/honest.db"
	[ ! -e $groups/writer ] || { echo "it left its cgroup"; status=1; }
	return $status
}
busy_cgroup() {
	local said
	forget
	$cpt restore "${ids[5]:-}" && inventory >$work/during || return 1
	refuses "writer" $cpt restore "${ids[5]:-}" && inventory | diff $work/during - || return 1
	touch $work/run/go
	found writer 6 && end writer
}

# ---- every sort of page, under pressure -------------------------------------

under_pressure() {
	local id
	mkdir $groups/mix
	start memory_mix mix || { cat $work/run/fail; return 1; }
	$cpt pin mix || return 1
	# What is being written out when the limit comes would be a reason to kill.
	for _ in 1 2 3; do echo 8M >$groups/mix/memory.reclaim; done
	echo 20M >$groups/mix/memory.max
	id=$($cpt snapshot --kill mix) && $cpt unpin mix || return 1
	$cpt restore "$id" || return 1
	touch $work/run/go
	wait_for 180 $work/run/pass $work/run/fail || return 1
	[ -e $work/run/pass ] || { cat $work/run/fail; return 1; }
	grep -H . $groups/mix/memory.events
	awk '$1 == "max" && $2 > 0 { n++ } END { exit !n }' $groups/mix/memory.events || return 1
	end mix && $cpt rm "$id"
}

# ---- cgroups below the container's ---------------------------------------------

below() { (cd "$groups/$1" && find . -mindepth 1 -type d | sort | tr '\n' ' '); }
boxes='./.hidden ./a ./a/b ./a/c ./empty ./empty/deep ./main '
box=		# a snapshot of them
taken_with_boxes() {
	start cgroup_tree boxes && [ "$(below boxes)" = "$boxes" ] || return 1
	echo 7 >$groups/boxes/cgroup.max.depth
	box=$($cpt snapshot --kill boxes) || return 1
	[ -z "$(below boxes)" ] || { echo "--kill left $(below boxes)"; return 1; }
	$cpt unpin boxes && rmdir $groups/boxes
}
# Made by cpt, it has the settings it had; one that is there keeps its own, but not what is below it.
boxes_elsewhere() {
	forget
	$cpt restore --cgroup crate/boxes "$box" || return 1
	[ "$(below crate/boxes)" = "$boxes" ] && [ "$(cat $groups/crate/boxes/a/b/cgroup.procs | wc -l)" = 1 ] &&
		[ "$(cat $groups/crate/boxes/empty/cgroup.max.depth)" = 3 ] &&
		[ "$(cat $groups/crate/boxes/cgroup.max.depth)" = 7 ] || return 1
	kill_all crate/boxes
	$cpt unpin crate/boxes
	mkdir $groups/crate/boxes/stale
	echo 9 >$groups/crate/boxes/cgroup.max.depth
	$cpt restore --cgroup crate/boxes "$box" || return 1
	[ "$(below crate/boxes)" = "$boxes" ] && [ "$(cat $groups/crate/boxes/cgroup.max.depth)" = 9 ] || return 1
	kill_all crate/boxes
	$cpt unpin crate/boxes && find $groups/crate -depth -type d -exec rmdir {} +
}
forged_box() {	# table, assignment, what the error says
	local status=0 before
	sqlite3 $catalog ".backup $work/honest.db"
	sqlite3 $catalog "UPDATE $1 SET $2 AND snapshot_id = '$box'" || return 1
	before=$(find $groups -type d)
	refuses "$3" $cpt restore "$box" || status=1
	refuses "$3" $cpt restore --dry-run "$box" || [ "$4" = late ] || status=1
	sqlite3 $catalog ".restore $work/honest.db"
	[ "$(find $groups -type d)" = "$before" ] || { echo "it left cgroups: $(find $groups -type d)"; status=1; }
	return $status
}
forged_boxes() {
	forged_box cgroup "cgroup = '../out' WHERE cgroup = 'empty/deep'" 'table cgroup: "../out"' early &&
		forged_box cgroup "cgroup = '/out' WHERE cgroup = 'empty/deep'" 'table cgroup: "/out"' early &&
		forged_box cgroup_setting "file = '../cgroup.max.depth' WHERE cgroup = 'empty' AND file = 'cgroup.max.depth'" \
			'table cgroup_setting: "../cgroup.max.depth"' early &&
		forged_box process "cgroup = '..' WHERE cgroup = 'a/b'" 'cgroup ".."' early
}
# When all tasks are there: undone as a whole.
late_failure() {
	forged_box cgroup_setting "value = 'deep' WHERE cgroup = 'empty' AND file = 'cgroup.max.depth'" 'cgroup.max.depth' late
}

frozen() { [[ $(cat "$groups/$1/cgroup.events") == *"frozen $2"* ]]; }
freeze() {	# cgroup
	echo 1 >"$groups/$1/cgroup.freeze"
	for _ in $(seq 100); do
		frozen "$1" 1 && return
		nap 0.05
	done
	echo "$1 does not freeze"
	return 1
}
frozen_container() {
	local id id2
	start memory_writer ice && freeze ice || return 1
	id=$($cpt snapshot ice) && frozen ice 1 && id2=$($cpt snapshot --kill ice) && $cpt unpin ice || return 1
	rmdir $groups/ice
	forget
	touch $work/run/go
	$cpt restore "$id2" && frozen ice 1 && nap 1 && [ ! -e $work/run/found.ice ] || return 1
	refuses "is frozen" $cpt restore --cgroup ice/below "$id" || return 1
	echo 0 >$groups/ice/cgroup.freeze
	found ice 0 && end ice && $cpt rm "$id" "$id2"
}
# cpt ends in the moment in which its tasks are stopped by ptrace alone.
killed_beside_ice() {
	local pid state
	start memory_writer ice && freeze ice && $cpt pin ice || return 1
	for _ in $(seq 20); do
		$cpt snapshot ice >/dev/null &
		pid=$!
		while read -r state <$groups/ice/cgroup.freeze && [ "$state" = 1 ] && kill -0 $pid; do :; done
		kill -KILL $pid
		wait $pid && continue
		for _ in $(seq 100); do
			frozen ice 1 && break
			nap 0.05
		done
		frozen ice 1 && echo 0 >$groups/ice/cgroup.freeze && end ice
		return
	done
	echo "cpt was never met when it had thawed the cgroup"
	return 1
}

# ---- a shell -----------------------------------------------------------------

# Forks all the time; nothing is lost in its pipes, nothing comes twice.
numbers() { wc -l 2>/dev/null <$work/numbers || echo 0; }
more_numbers() {
	local from=$(numbers) i
	for i in $(seq 600); do
		[ "$(numbers)" -le $((from + 20)) ] || return 0
		nap 0.1
	done
	echo "it stands still after $from numbers"
	return 1
}
pipeline() {
	local id i
	$cpt run --pid-levels 2 --output $work/output shell -- sh -c \
		"i=0; while :; do i=\$((i + 1)); echo \$i; sleep 0.01; done | while read -r n; do echo \$n; done >$work/numbers" 8>&- || return 1
	for i in 1 2 3; do
		more_numbers && id=$($cpt snapshot --kill shell) && end shell && $cpt restore "$id" && $cpt rm "$id" || return 1
	done
	more_numbers && end shell && diff <(seq "$(numbers)") $work/numbers
}

# ---- another boot -------------------------------------------------------------

# What is run by that finds the host up for 115 days.
long_up() {
	unshare --time --monotonic 10000000 --boottime 10000000 --fork sleep 1000 8>&- &
	until sleeper=$(pgrep -x sleep -P $!) && [ -n "$sleeper" ]; do nap 0.05; done
	up="nsenter --time=/proc/$sleeper/ns/time"
}
long_up_ends() { kill "$sleeper"; wait; }

# Snapshot by one, restore by another, where the host is up for another time.
other_boot() {	# how cpt is run until the snapshot, and from then on; options of restore
	local by=$cpt
	local cpt="$1 $by" id
	start clock_continues clocks || { cat $work/run/fail; return 1; }
	id=$($cpt snapshot --kill clocks) && $cpt unpin clocks || return 1
	cpt="$2 $by"
	$cpt restore ${3:-} "$id" && touch $work/run/go && wait_for 90 $work/run/pass $work/run/fail || return 1
	[ ! -e $work/run/pass ] || { end clocks && $cpt rm "$id"; return; }
	end clocks && $cpt rm "$id" && cat $work/run/fail
	return 1
}
reboot() { long_up && other_boot "$up" "" && long_up_ends; }
other_host() { long_up && other_boot "" "$up" && long_up_ends; }
# The same from one boot to the next and to a third.
two_reboots() {
	local id
	long_up
	start clock_continues clocks && id=$($cpt snapshot --kill clocks) && $cpt unpin clocks || return 1
	$up $cpt restore "$id" && $cpt rm "$id" && id=$($up $cpt snapshot --kill clocks) && $cpt unpin clocks &&
		$cpt restore "$id" && touch $work/run/go && wait_for 90 $work/run/pass $work/run/fail || return 1
	[ -e $work/run/pass ] || { cat $work/run/fail; return 1; }
	end clocks && $cpt rm "$id" && long_up_ends
}
# Asked for: then they go back.
host_clocks() {
	long_up
	! other_boot "$up" "" --host-clocks || { echo "the clocks did not go back"; return 1; }
	long_up_ends
	[[ $(cat $work/run/fail) == *"went back"* ]]
}

# On a disk: what is written to a store in a tmpfs is memory, charged to the container that is short of it.
mkdir -p $work /scratch/cpt /var/lib/cpt
mount --bind /scratch/cpt /var/lib/cpt
log_begin
$cpt init >/dev/null 2>&1
inventory >$work/before
ok "ten snapshots of a process that goes on writing" snapshots_in_a_row
ok "each of them can be restored" each_restorable
ok "two restores of one snapshot at once" two_at_once
ok "a snapshot beside a restore" snapshot_beside_restore
ok "a snapshot does not need those before and after it" middle_remains
ok "restore --prefetch reads memory" memory_is_read_ahead
ok "a restore into a cgroup with tasks leaves nothing" busy_cgroup
ok "a forged file system is refused" forged file_system "type = 'nfs', source = 'server:/export'" "file_system 0.*nfs"
ok "a forged mount point is refused" forged mount "point = '/proc/../etc'" "table mount"
ok "a forged place of a mount is refused" forged mount "parent = place" "table mount"
ok "a forged parent is refused" forged process "parent = process" process
ok "a forged namespace is refused" forged process "mount_ns = 60000" "mnt namespace 60000"
ok "a forged place of memory is refused" forged swap_run "slot = 1 << 40" run
ok "cgroups below a container's end with it" taken_with_boxes
ok "they are restored under another name, in a new cgroup and in one that is there" boxes_elsewhere
ok "forged cgroups and settings are refused" forged_boxes
ok "a restore that fails at the end leaves no cgroup" late_failure
ok "their snapshot goes" $cpt rm "${box:-}"
ok "a frozen container is restored frozen" frozen_container
ok "a frozen container is frozen when cpt is killed" killed_beside_ice
ok "the last snapshot goes" $cpt rm "${ids[5]:-}"
ok "nothing is left of all this" as_before
ok "a shell pipeline goes on where it was, three times" pipeline
ok "every sort of page under memory pressure" under_pressure
ok "clocks continue after a reboot" reboot
ok "clocks continue on a host that is up for longer" other_host
ok "clocks continue from reboot to reboot" two_reboots
ok "clocks of the host, if asked for" host_clocks
ok "and nothing of that" as_before
ok "the kernel log is clean" log_is_clean
results
