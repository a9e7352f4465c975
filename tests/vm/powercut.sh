#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# In the VM: the power goes while cpt is at work. A store, pool and catalog, is on one disk, and dm-log-writes logs all that
# is written to that while each verb does its work. Then, for many moments of it, there is a disk with what would have been
# on it: all that was flushed, in every second of them also some of what was written next. Snapshots that were there are
# there, and each can be restored and is right; the next command removes what was left half done, from the catalog as from
# the pool; and the store works. Last line: N passed, N failed. CPT_CUTS is how many moments (8; all: all there are),
# CPT_CUT_SEED chooses them and what else was written.
set -uo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
work=/scratch/powercut
disk=$work/disk		# is mounted here, the one that is logged as those that are made of it
cpt="$top/build/cpt --store $disk/store"
catalog=$disk/store/catalog.db
run=$work/run
replay=$top/build/vm/replay_log
suite=powercut
. "$top/tests/vm/lib.sh"
declare -A loop
seed=${CPT_CUT_SEED:-1}

# ---- power -------------------------------------------------------------------

sectors=$((256 << 11))
image() {	# name, size
	truncate -s "$2" "$work/$1.img" && loop[$1]=$(losetup -f --show "$work/$1.img")
}

# All that a machine forgets when the power goes; what is written on the way no log hears of. Few processes are started
# here and below: that is what takes time in emulation.
off() {
	local group name device file areas loops=() pool=
	for group in $groups/power*/; do [ ! -d "$group" ] || kill_all "$(basename "$group")"; done
	for group in $groups/power*/; do [ ! -d "$group" ] || echo none >"$group/memory.swap.device"; done
	mapfile -t areas </proc/swaps
	for device in "${areas[@]:1}"; do swapoff "${device%% *}" || return 1; done
	for group in $groups/power*/; do [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + || return 1; done
	while read -r name _; do
		case $name in
		cpt-*-pool) pool=$name ;;
		cpt-*) dmsetup remove "$name" || return 1 ;;
		esac
	done < <(dmsetup ls)
	[ -z "$pool" ] || dmsetup remove "$pool" || return 1
	for device in /sys/block/loop*; do
		{ read -r file <"$device/loop/backing_file"; } 2>/dev/null && [[ $file == $disk/* ]] && loops+=("/dev/${device##*/}")
	done
	[ ${#loops[@]} = 0 ] || losetup -d "${loops[@]}" || return 1
	umount $disk
}
# What was pinned was so in another boot.
boot() {
	local id=/proc/sys/kernel/random/boot_id
	echo "$(</proc/sys/kernel/random/uuid)" >$work/boot_id
	[ "$(<$id)" = "$(<$work/boot_id)" ] || mount --bind $work/boot_id $id
}

# ---- what is logged -------------------------------------------------------------

mark() { dmsetup message logged 0 "mark $1"; }
# Marks say what is being done, and what has been.
verb() {	# name, command...
	mark "begin:$1" && "${@:2}" && mark "end:$1"
}

plug_in() {
	mkdir -p $work $disk $run
	image disk $((sectors * 512)) && image log 3G &&
		dmsetup create logged --table "0 $sectors log-writes ${loop[disk]} ${loop[log]}" &&
		mkfs.ext4 -q -E nodiscard,lazy_itable_init=0 /dev/mapper/logged && mount /dev/mapper/logged $disk
}
start() {
	$cpt run --share mnt --output $work/output power -- \
		env -i PATH="$PATH" CPT_LIVE_DIR=$run CPT_LIVE_MODE=host "$top/build/live/memory_writer" >/dev/null 8>&- &&
		wait_for 90 $run/ready $run/fail && [ ! -e $run/fail ]
}
# Its memory tells an epoch from another.
epoch=0
next_epoch() {
	epoch=$((epoch + 1))
	rm -f $run/epoch-*
	pkill -USR1 -x memory_writer && wait_for 60 "$run/epoch-$epoch"
}
declare -A ids epochs		# of snapshots, by name
snapshot() {	# name, option...
	next_epoch && mark "begin:snapshot:$1:$epoch" && ids[$1]=$($cpt snapshot "${@:2}" power) &&
		mark "end:snapshot:${ids[$1]}:$epoch" && epochs[$1]=$epoch
}
remove() {	# name
	mark "begin:rm:${ids[$1]}" && $cpt rm "${ids[$1]}" && mark "end:rm:${ids[$1]}"
}
restore() {	# name
	verb restore $cpt restore "${ids[$1]}" && epoch=${epochs[$1]}
}
pin() { mkdir $groups/power-pinned && $cpt pin --size 64M power-pinned; }

# Every verb that writes to the store, and what makes a difference to it: a first snapshot or a later one, the end of the
# container, volumes that derive from others which go.
use() {
	verb init $cpt init --data-size 160M &&
		verb run start &&
		snapshot first &&
		snapshot second &&
		remove first &&
		snapshot third --kill &&
		verb unpin $cpt unpin power &&
		restore second &&
		snapshot fourth &&
		remove second &&
		verb pin pin &&
		kill_all power && verb unpin $cpt unpin power
}
unplug() {
	[[ $(dmsetup status logged) != *disabled* ]] || { dmsetup status logged; return 1; }
	off && dmsetup remove logged && $replay list $work/log.img | sed -n '/^mark begin:init$/,$p' >$work/moments
}

# ---- a moment --------------------------------------------------------------------

declare -A must		# snapshots that are there, by id: the epoch they are of
declare -A may		# that may be there still: they are being removed
coming=			# epoch of the one that may be there already
doing=			# the last mark, in words
has=0			# entries that the disk has

follow() {	# what a mark says
	local word
	IFS=: read -ra word <<<"$1"
	doing="${word[0]} ${word[1]:-}"
	case $1 in
	begin:snapshot:*) coming=${word[3]} doing="begin the ${word[2]} snapshot" ;;
	end:snapshot:*) must[${word[2]}]=${word[3]} coming= ;;
	begin:rm:*) may[${word[2]}]=${must[${word[2]}]} && unset "must[${word[2]}]" ;;
	end:rm:*) unset "may[${word[2]}]" ;;
	esac
}

# The disk as it was, for this moment alone: what is written to it now goes elsewhere, and is lost.
begin_moment() {	# entry, the next moment's or nothing
	$replay write $work/log.img $work/base.img $has "$1" && has=$1 &&
		dmsetup create trial --table "0 $sectors snapshot ${loop[base]} ${loop[changes]} N 128" || return 1
	[ -z "${2:-}" ] || $replay write $work/log.img /dev/mapper/trial "$1" "$2" $((seed * 100000 + $1)) || return 1
	boot && mount /dev/mapper/trial $disk
}
end_moment() { off && dmsetup remove trial; }

# All that are listed are there or may be; their epochs go to `listed`.
declare -A listed
list() {
	local id said
	listed=()
	said=$($cpt --json list) || return 1
	while [[ $said =~ \"id\":\ *\"([0-9a-f]{12})\" ]]; do
		id=${BASH_REMATCH[1]}
		said=${said#*"$id"}
		listed[$id]=${must[$id]:-${may[$id]:-$coming}}
		[ -n "${listed[$id]}" ] || { echo "snapshot $id has no business to be there"; return 1; }
	done
	for id in "${!must[@]}"; do
		[ -n "${listed[$id]:-}" ] || { echo "snapshot $id, of epoch ${must[$id]}, is lost"; return 1; }
	done
}
# Nothing is half done in the catalog, and the pool has the volumes of all snapshots and no others.
whole() {
	diff <(sqlite3 -readonly $catalog "SELECT 'unfinished ' || thin_id FROM unfinished UNION ALL SELECT 'pinned ' || cgroup FROM pin
		UNION ALL SELECT 'of no snapshot: ' || thin_id FROM volume WHERE thin_id NOT IN (SELECT thin_id FROM snapshot)
		UNION ALL SELECT * FROM (SELECT thin_id FROM snapshot ORDER BY 1)") \
		<("$top/build/vm/thin_ids" $disk/store/metadata.img)
}
# But those of discards that were on their way, see thin_discard(): 64 of a volume that was being removed, and 32, a cluster
# of its swap, for each processor that the container ran on.
all_blocks_free() {
	local status used most=128
	[[ $doing != *init && $doing != *run ]] || most=0
	read -ra status < <(dmsetup status --target thin-pool)
	used=${status[6]%/*}
	[ "$used" -le $most ] || { echo "$used blocks of the pool are nobody's"; return 1; }
}
found() {	# cgroup, epoch
	wait_for 60 "$run/found.$1" $run/fail || return 1
	[ ! -e $run/fail ] || { cat $run/fail; return 1; }
	[ "$(cat "$run/found.$1")" = "$2" ] || { echo "epoch $(cat "$run/found.$1") instead of $2"; return 1; }
}
# All at once, for time.
each_listed() {	# function
	local id pids=() status=0
	for id in "${!listed[@]}"; do
		"$1" "$id" &
		pids+=($!)
	done
	for id in "${pids[@]}"; do wait "$id" || status=1; done
	return $status
}
right() {	# id
	$cpt restore --prefetch --cgroup "power-$1" "$1" && found "power-$1" "${listed[$1]}" && end "power-$1"
}
usable() {
	mkdir $groups/power-new && $cpt pin --size 64M power-new && $cpt unpin power-new && rmdir $groups/power-new
}
check() {
	if [ ! -e $catalog ] && [ "$doing" = 'begin init' ]; then
		$cpt init --data-size 160M || return 1
	fi
	list && refuses 'not pinned' $cpt unpin nosuch && whole || return 1
	if [ ${#listed[@]} = 0 ]; then
		usable || return 1
	else
		rm -f $run/found.*
		each_listed right && $cpt rm "${!listed[@]}" || return 1
	fi
	whole && all_blocks_free
}
moment() {	# entry, the next moment's or nothing; says what was wrong, not what was right in others
	{ begin_moment "$@" && check && end_moment; } >$work/said 2>&1 && return
	echo "at entry $1${2:+, and some of those before $2}:"
	cat $work/said
	off
	dmsetup remove trial
	return 1
}

# ---- all of it ---------------------------------------------------------------------

log_begin
ok "a disk that is logged" plug_in
ok "each verb does its work" use
ok "the power goes" unplug
[ -s $work/moments ] || { results; exit; }
touch $run/go		# what is restored from now on looks at itself
image base $((sectors * 512)) && image changes $((sectors * 512))

mapfile -t cuts < <(sed -n 's/^cut //p' $work/moments)
nr=${#cuts[@]}
many=${CPT_CUTS:-8}
[ "$many" != all ] && [ "$many" -le "$nr" ] || many=$nr
i=0 chosen=0 here=() nr_here=0
those_here() {
	local each status=0
	# shellcheck disable=SC2086 # one entry or two
	for each in "${here[@]}"; do moment $each || status=1; done
	return $status
}
at_those() {	# the last mark has been followed: what was done there is known
	local when=${doing/begin/during}
	[ ${#here[@]} = 0 ] || ok "the power goes ${when/end/after}, at ${#here[@]} of $nr_here moments" those_here
	here=() nr_here=0
}
while read -r what which; do
	if [ "$what" = mark ]; then
		at_those
		follow "$which"
		continue
	fi
	if [ $(((i * many + seed) % nr)) -lt "$many" ]; then
		chosen=$((chosen + 1))
		[ $((chosen % 2)) = 0 ] || which+=" ${cuts[i + 1]:-}"
		here+=("$which")
	fi
	i=$((i + 1)) nr_here=$((nr_here + 1))
done <$work/moments
at_those
ok "the kernel log is clean" log_is_clean
results
