#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# In the VM: cpt is killed in the middle of what it does, by SIGKILL at each of its stages, before system calls chosen
# at random and after random delays, and by signals it hears at its stages. A container that checks itself runs
# on each time, nothing of cpt stays in it, and the next command works and leaves nothing half done. Last line: N passed,
# N failed. CPT_KILL_RANDOM is how many random ones (16), CPT_KILL_SEED chooses them.
set -uo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cpt=$top/build/cpt
catalog=/var/lib/cpt/catalog.db
work=/scratch/killpoints
run=$work/run
suite=killpoints
. "$top/tests/vm/lib.sh"
RANDOM=${CPT_KILL_SEED:-1}

# ---- the container -----------------------------------------------------------

start() {
	rm -rf $run
	mkdir -p $run
	$cpt run --pid-levels 2 --output $work/output busy -- \
		env -i PATH="$PATH" CPT_LIVE_DIR=$run CPT_LIVE_MODE=ns "$top/build/live/process_busy" >/dev/null 8>&- &&
		wait_for 90 $run/ready $run/fail && healthy && portrait >$work/portrait
}

# Everybody in it makes progress and is content.
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
	grep -E '^(Name|State|TracerPid)' $(sed 's,.*,/proc/&/status,' $groups/busy/cgroup.procs)
	head -n 20 $(sed 's,.*,/proc/&/stack,' $groups/busy/cgroup.procs) 2>/dev/null
	return 1
}

# What a visitor might leave behind or change: tracers, masks, mappings, descriptors.
portrait() {
	local pid files=() links=()
	while read -r pid; do
		files+=(/proc/"$pid"/maps /proc/"$pid"/task/*/status)
		links+=(/proc/"$pid"/fd/*)
	done <$groups/busy/cgroup.procs
	grep -HE '^(TracerPid|Sig(Blk|Ign|Cgt)|NoNewPrivs|Seccomp|[0-9a-f]+-)' $groups/busy/cgroup.freeze "${files[@]}"
	stat -c %N "${links[@]}" 2>/dev/null
}
untouched() {
	healthy && portrait >$work/now && diff $work/portrait $work/now
}

# ---- killing -----------------------------------------------------------------

expect() {	# status, command...
	local wanted=$1 status
	shift
	"$@" >$work/said 2>&1
	status=$?
	[ $status = "$wanted" ] || { cat $work/said; echo "status $status instead of $wanted: $*"; return 1; }
}
at_stage() {	# stage, command...
	expect 137 env CPT_KILL_AT="$1" "${@:2}"
}

# The next command has seen to it: no thin id, no mark, no volume is half done.
whole() {
	local rows
	"$cpt" unpin nosuch 2>/dev/null
	rows=$(sqlite3 -readonly $catalog 'SELECT (SELECT count(*) FROM unfinished) + (SELECT count(*) FROM pin WHERE cut_short IS NOT NULL)')
	[ "$rows" = 0 ] || { echo "$rows rows say that something is half done"; return 1; }
	! dmsetup info -c --noheadings -o suspended | grep -q Suspended || { dmsetup info; return 1; }
}
# What a command must not leave, in little time; `inventory` is for the end.
traces() {
	local volumes=(/dev/mapper/*) cgroups=($groups/*/) swaps
	mapfile -t swaps </proc/swaps
	echo "${volumes[*]##*-} ${cgroups[*]} ${#swaps[@]} $(sqlite3 -readonly $catalog 'SELECT (SELECT count(*) FROM unfinished),
		(SELECT count(*) FROM pin WHERE cut_short IS NOT NULL), (SELECT count(*) FROM pin),
		(SELECT count(*) FROM volume), (SELECT count(*) FROM snapshot), (SELECT count(*) FROM process)')"
}
newest() { sqlite3 -readonly $catalog 'SELECT id FROM snapshot ORDER BY created_ns DESC LIMIT 1'; }
snapshots() { sqlite3 -readonly $catalog 'SELECT count(*) FROM snapshot'; }
forget() {	# all snapshots but the named one
	sqlite3 -readonly $catalog "SELECT id FROM snapshot WHERE id != '${1:-}'" >$work/ids
	[ ! -s $work/ids ] || xargs $cpt rm <$work/ids
}

snapshot_killed_at() {	# stage
	local before
	before=$(snapshots)
	at_stage "$1" $cpt snapshot busy && untouched && whole || return 1
	[ "$(snapshots)" = "$before" ] || { echo "a snapshot came of it"; return 1; }
}
snapshot_complete_at_kill() {
	local before
	before=$(snapshots)
	at_stage kill $cpt snapshot --kill busy && untouched && [ "$(snapshots)" = $((before + 1)) ]
}
# From the moment when the volume was suspended cpt brings it to the end.
snapshot_told_at() {	# stage, signal, status
	local before status=$3
	before=$(snapshots)
	case $1 in release | commit) status=0 before=$((before + 1)) ;; esac
	expect $status env CPT_KILL_AT="$1:$2" $cpt snapshot busy || return 1
	[ $status = 0 ] || grep -q 'runs on as it was' $work/said || { cat $work/said; return 1; }
	untouched && whole || return 1
	[ "$(snapshots)" = "$before" ] || { echo "$(snapshots) snapshots instead of $before"; return 1; }
}

# The snapshot that restores are made from; the container ends.
taken() {
	id=$($cpt snapshot --kill busy) && end busy && forget "$id" && traces >$work/before
}
# Half a restore: its tasks end with cpt, at once; the next command sees to the rest.
empty_soon() {
	local i
	for i in $(seq 100); do
		populated busy || return 0
		nap 0.02
	done
	echo "tasks are left:"
	grep -H . $(sed 's,.*,/proc/&/stat,' $groups/busy/cgroup.procs)
	return 1
}
nothing_left() {
	$cpt restore --dry-run "$id" && traces | diff $work/before -
}
restore_killed_at() {	# stage
	at_stage "$1" $cpt restore "$id" && $cpt list >/dev/null || return 1
	[ "$1" = complete ] || empty_soon || return 1
	nothing_left
}
restore_told_at() {	# stage, signal, status
	expect "$3" env CPT_KILL_AT="$1:$2" $cpt restore "$id" && grep -q 'nothing is left' $work/said &&
		traces | diff $work/before -
}
restored() {
	$cpt restore "$id" && healthy && portrait >$work/portrait && whole
}

# ---- verbs without stages: at places within them --------------------------------

# Each can be done again, or was done.
again() {	# what may be said if it was done, command...
	local said
	said=$("${@:2}" 2>&1) || grep -q -- "$1" <<<"$said" || { echo "$said"; return 1; }
}
pin_killed() {
	local at
	mkdir -p $groups/small
	for at in activate swapon record bind; do
		at_stage $at $cpt pin small && whole && again 'pinned to a swap volume already' $cpt pin small || { echo "at $at"; return 1; }
		$cpt unpin small || return 1
	done
	for at in unbind forget erase deactivate; do
		$cpt pin small && at_stage $at $cpt unpin small && whole && again 'is not pinned' $cpt unpin small || { echo "at $at"; return 1; }
	done
	rmdir $groups/small
}
rm_killed() {
	local at victim
	for at in remove discard deactivate; do
		victim=$($cpt snapshot busy) && at_stage $at $cpt rm "$victim" && whole || { echo "at $at"; return 1; }
		[ $at = remove ] || refuses 'no snapshot' $cpt show "$victim" || return 1
		again 'no snapshot' $cpt rm "$victim" || return 1
	done
	untouched
}
run_killed() {
	local at how
	for at in start map hear; do
		for how in '' '--pid-levels 2' '--user 100000'; do
			# shellcheck disable=SC2086 # none or several
			at_stage $at $cpt run --output $work/output $how ran -- sleep 1000 8>&- && settled ran &&
				again 'there are tasks in cgroup' $cpt run --output $work/output $how ran -- sleep 1000 8>&- &&
				settled ran && populated ran || { echo "at $at, $how"; return 1; }
			kill_all ran
			rmdir $groups/ran
		done
	done
}
init_killed() {
	local at init="$cpt --store $work/store init --data-size 64M"
	for at in devices catalog open; do
		at_stage $at $init && again 'there is a store' $init && $cpt --store $work/store list || { echo "at $at"; return 1; }
		rm_store
	done
}

# ---- at random ---------------------------------------------------------------

declare -A calls took
# A verb is killed before some call, or after some time; then what must be true is looked at.
measure() {	# verb, command...: which calls it makes and how many milliseconds it takes
	local from=${EPOCHREALTIME/./}
	LD_PRELOAD=$top/build/vm/kill_at.so KILL_AT_COUNT=$work/calls "${@:2}" >$work/said 2>&1 || { cat $work/said; return 1; }
	took[$1]=$(((${EPOCHREALTIME/./} - from) / 1000))
	calls[$1]=$(tr '\n' ' ' <$work/calls)
	echo "${took[$1]} ms; ${calls[$1]}" | tee -a $work/measured
}
# Each function is as likely as another: those that are called often are not the interesting ones.
somewhere() {	# verb, command...: killed there, or done before that
	local verb=$1 n status some
	shift
	read -ra some <<<"${calls[$verb]}"
	if [ $((RANDOM % 4)) = 0 ]; then
		n=$((RANDOM * 32768 + RANDOM))
		n=$((20 + n % (took[$verb])))
		n=$(printf '%d.%03d' $((n / 1000)) $((n % 1000)))
		where="$verb after $n s"
		timeout -s KILL "$n" "$@" >$work/said 2>&1
	else
		n=$((RANDOM % (${#some[@]} / 2) * 2))
		n=${some[n]}:$(((RANDOM * 32768 + RANDOM) % some[n + 1] + 1))
		where="$verb at $n"
		LD_PRELOAD=$top/build/vm/kill_at.so KILL_AT=$n "$@" >$work/said 2>&1
	fi
	status=$?
	echo "$status $where" >>$work/moments
	[ $status = 137 ] || [ $status = 0 ] || { cat $work/said; echo "status $status"; return 1; }
}

random_snapshot() {
	somewhere snapshot $cpt snapshot busy && untouched || { echo "$where"; return 1; }
}
# Either it runs on, or it has ended and there is a snapshot of it.
random_snapshot_kill() {
	local before
	before=$(snapshots)
	somewhere snapshot-kill $cpt snapshot --kill busy || { echo "$where"; return 1; }
	nap 0.3
	if populated busy; then
		untouched || { echo "$where"; return 1; }
		return 0
	fi
	[ "$(snapshots)" = $((before + 1)) ] || { echo "it is gone without a snapshot: $where"; return 1; }
	$cpt unpin busy && $cpt restore "$(newest)" && healthy && portrait >$work/portrait || { echo "$where"; return 1; }
}
measure_snapshot_kill() {
	measure snapshot-kill $cpt snapshot --kill busy && $cpt unpin busy && $cpt restore "$(newest)" && healthy &&
		portrait >$work/portrait
}
random_restore() {
	somewhere restore $cpt restore "$id" || { echo "$where"; return 1; }
	if populated busy && [ "$(<$groups/busy/cgroup.freeze)" = 0 ]; then
		empty_soon || healthy || { echo "$where"; return 1; }
	fi
	$cpt restore --dry-run "$id" || return 1
	! populated busy || { healthy && end busy; } || { echo "$where"; return 1; }
	traces | diff $work/before - || { echo "$where"; return 1; }
}
random_many() {	# how many, function
	local i
	for i in $(seq "$1"); do
		"$2" || { echo "number $i of seed ${CPT_KILL_SEED:-1}"; return 1; }
	done
}

# run: the program runs, or nothing does.
settled() {	# cgroup
	local i pids=()
	for i in $(seq 100); do
		nap 0.05
		populated "$1" || return 0
		mapfile -t pids <$groups/"$1"/cgroup.procs
		[ "$(cat "/proc/${pids[-1]}/comm" 2>/dev/null)" != sleep ] || return 0
	done
	ps -ef
	return 1
}
random_run() {
	local how=(--output $work/output)
	[ $((RANDOM % 2)) = 0 ] || how+=(--pid-levels 2)
	[ $((RANDOM % 2)) = 0 ] || how+=(--user 100000)
	somewhere run $cpt run "${how[@]}" ran -- sleep 1000 8>&- && settled ran || { echo "$where"; return 1; }
	again 'there are tasks in cgroup' $cpt run "${how[@]}" ran -- sleep 1000 8>&- && settled ran && populated ran || {
		echo "$where"
		return 1
	}
	kill_all ran
	rmdir $groups/ran
}
measure_run() { measure run $cpt run --pid-levels 2 --user 100000 ran -- sleep 1000 8>&- && kill_all ran && rmdir $groups/ran; }

small_verbs() {	# how many
	local i victim
	mkdir -p $groups/small
	measure pin $cpt pin small && measure unpin $cpt unpin small || return 1
	for i in $(seq "$1"); do
		somewhere pin $cpt pin small && again 'pinned to a swap volume already' $cpt pin small && whole &&
		somewhere unpin $cpt unpin small && again 'is not pinned' $cpt unpin small && whole || { echo "$where"; return 1; }
	done
	rmdir $groups/small
}
random_rm() {	# how many
	local i victim
	victim=$($cpt snapshot busy) && measure rm $cpt rm "$victim" || return 1
	for i in $(seq "$1"); do
		victim=$($cpt snapshot busy) && somewhere rm $cpt rm "$victim" && again 'no snapshot' $cpt rm "$victim" &&
			whole || { echo "$where"; return 1; }
	done
	untouched
}
random_init() {	# how many
	local i init="$cpt --store $work/store init --data-size 64M"
	measure init $init && dmsetup remove "$(dmsetup ls | awk '/pool/ { print $1 }' | grep -v "$pool")" || return 1
	for i in $(seq "$1"); do
		rm_store
		somewhere init $init && again 'there is a store' $init && $cpt --store $work/store list || { echo "$where"; return 1; }
	done
	rm_store
}
rm_store() {
	local other
	other=$(dmsetup ls | awk '/pool/ { print $1 }' | grep -v "^$pool$")
	[ -z "$other" ] || dmsetup remove "$other"
	losetup -n -O NAME,BACK-FILE | awk -v dir=$work/store '$2 ~ dir { print $1 }' | xargs -r losetup -d
	rm -rf $work/store
}

# On a disk: what is written to a store in a tmpfs is memory, charged to the container that is short of it.
mkdir -p $work /scratch/cpt /var/lib/cpt
mount --bind /scratch/cpt /var/lib/cpt
log_begin
$cpt init >/dev/null 2>&1
pool=$(dmsetup ls | awk '/pool/ { print $1 }')
inventory >$work/begin
many=${CPT_KILL_RANDOM:-16}
# Each stage hears one signal as it hears another: when there is time all at all of them, else each at some.
told_at() {	# function, stage...
	local i nr=0 stage signal signals=(INT TERM HUP)
	for stage in "${@:2}"; do
		for ((i = 0; i < 3; i++)); do
			[ "$many" -ge 500 ] || [ $((nr++ % 10)) = 0 ] || continue
			signal=${signals[i]}
			"$1" "$stage" "$signal" $((128 + $(kill -l "$signal"))) || { echo "SIG$signal at $stage"; return 1; }
		done
	done
}
snapshot_stages='survey pin presync prepare stop sync collect look take release commit'
restore_stages='load volume cgroup objects tree memory places tasks seal go complete'
ok "the container starts" start
for stage in $snapshot_stages; do
	ok "snapshot killed at $stage" snapshot_killed_at $stage
done
ok "a snapshot after these" eval '$cpt snapshot busy && untouched && whole'
ok "snapshot --kill killed when the snapshot exists" snapshot_complete_at_kill
ok "snapshot told to stop" told_at snapshot_told_at $snapshot_stages
ok "rm killed at each place" rm_killed
ok "pin and unpin killed at each place" pin_killed
ok "run killed at each place" run_killed
ok "init killed at each place" init_killed
ok "measure a snapshot" measure snapshot $cpt snapshot busy
ok "snapshot killed at random" random_many $((many / 4)) random_snapshot
ok "rm killed at random" random_rm $((many / 8))
ok "a snapshot to restore" taken
for stage in $restore_stages; do
	ok "restore killed at $stage" restore_killed_at $stage
done
ok "restore told to stop" told_at restore_told_at $restore_stages
ok "measure a restore" measure restore $cpt restore "$id"
ok "what was restored is content" healthy
ok "it ends" end busy
ok "restore killed at random" random_many $((many / 4)) random_restore
ok "restore after all this" restored
ok "measure a snapshot that ends it" measure_snapshot_kill
ok "snapshot --kill killed at random" random_many $((many / 8)) random_snapshot_kill
ok "pin and unpin killed at random" small_verbs $((many / 16))
ok "measure a run" measure_run
ok "run killed at random" random_many $((many / 8)) random_run
ok "init killed at random" random_init $((many / 8))
ok "it ends" end busy
ok "its snapshots go" forget
ok "nothing is left of all this" eval 'inventory | diff $work/begin -'
ok "the kernel log is clean" log_is_clean
results
