#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# In the VM: what goes wrong at the user's end is told so that the user knows what to do: each message has advice, and
# nothing is left behind. Last line: N passed, N failed.
set -uo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cpt=$top/build/cpt
store=/scratch/errors
catalog=$store/catalog.db
suite=errors
. "$top/tests/vm/lib.sh"
cpt() { "$cpt" --store $store "$@"; }

# It fails, says so and what to do.
says() {	# what is wrong, what to do, command...
	local wrong=$1 advice=$2 out
	shift 2
	if out=$("$@" 2>&1); then
		echo "it did not fail: $*"
		return 1
	fi
	grep -q -- "^cpt: .*$wrong" <<<"$out" && grep -q -- "^     .*$advice" <<<"$out" || { echo "it said: $out"; return 1; }
}

inside() { echo $BASHPID >$groups/own/cgroup.procs && exec "$cpt" --store $store snapshot own; }
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$cpt" --store $store "$@"; }
# A store made in memory, where there is room for it, is made with a warning.
in_memory() {
	mkdir -p $store.3
	mount -t tmpfs -o size=2G tmpfs $store.3
	"$cpt" --store $store.3/store init --data-size 256M 2>&1 | grep -q "^warning: $store.3/store is in memory"
}
with_catalog() {	# SQL, command...: on another state of the catalog
	local status=0
	sqlite3 $catalog ".backup $store/honest"
	sqlite3 $catalog "$1"
	"${@:2}" || status=1
	sqlite3 $catalog ".restore $store/honest"
	return $status
}
twin() {	# id: SQL for a snapshot whose id differs in the last digit
	echo "CREATE TEMP TABLE twin AS SELECT * FROM snapshot WHERE id = '$1';
		UPDATE twin SET id = substr(id, 1, 11) || CASE substr(id, 12) WHEN '0' THEN '1' ELSE '0' END, thin_id = 4711;
		INSERT INTO snapshot SELECT * FROM twin"
}
damaged() {
	mkdir -p $store.damaged
	head -c 5000 /dev/urandom >$store.damaged/catalog.db
	says 'not a database' 'recover' "$cpt" --store $store.damaged list
}
sleeping() { cpt run --share all --output /scratch/errors.log "$1" -- sleep 1000 8>&- >/dev/null; }

log_begin
cpt init --data-size 512M 2>/dev/null
ok "no such cgroup" says '/nosuch' 'ls /sys/fs/cgroup' cpt snapshot nosuch
mkdir -p $groups/empty $groups/own $store.2
ok "an empty cgroup" says 'has no task' 'cgroup.procs' cpt snapshot empty
ok "cpt's own cgroup" says 'cpt itself .* is in the cgroup' 'outside the container' inside
ok "a path that leads out" says 'in its path' 'below' cpt snapshot ../x
ok "not root: snapshot" says '.' 'sudo cpt snapshot' nobody snapshot empty
ok "not root: list" says '.' 'sudo cpt list' nobody list
ok "a store of a newer cpt" with_catalog 'PRAGMA user_version = 99' says 'version 99' 'newer cpt' cpt list
ok "no catalog at all" damaged
ok "an unknown id" says 'ffff' 'cpt list' cpt restore ffff
ok "a container" sleeping one
ok "two snapshots of it" eval 'id=$(cpt snapshot one) && cpt snapshot one >/dev/null'
ok "an ambiguous id" with_catalog "$(twin "$id")" says 'snapshots begin with' 'more digits' cpt show "${id:0:11}"
ok "its pids are taken" says 'is taken' 'end that process' cpt restore --cgroup other "$id"
ok "what was refused made no cgroup" test ! -e $groups/other
ok "a second pin" says 'already' 'unpin' cpt pin one
kill_all one
ok "another container" sleeping two
ok "tasks are in the cgroup" says 'there are tasks in cgroup' '--cgroup' cpt restore --cgroup two "$id"
kill_all two
ok "no id" says 'which snapshot' 'usage' cpt restore
ok "an unknown option" says 'there is no option' 'usage' cpt snapshot --fast one
ok "not a size" says 'is not a size' 'usage' cpt pin --size much empty
ok "devices that are none" says 'not a block device' 'in files' "$cpt" --store $store.2 init --data /etc/passwd --metadata /etc/passwd
ok "half a pair of devices" says 'go together' 'usage' "$cpt" --store $store.2 init --data /dev/vda
ok "no room for a store" eval 'mount -t tmpfs -o size=64M tmpfs $store.2 && says "too little space" --store "$cpt" --store $store.2/store init'
ok "a store in memory" in_memory
ok "the kernel log is clean" log_is_clean
results
