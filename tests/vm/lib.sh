# SPDX-License-Identifier: GPL-2.0-only
# What the shell tests of this directory have in common; they set `suite`, their name in each line, `cpt` and `catalog`.
# CPT_VM_ONLY (a regular expression) chooses some by what they say.
passed=0 failed=0
groups=/sys/fs/cgroup

after_failure() { :; }		# a suite may have something to tidy up

# A test ended the shell, as an unset variable does: what it was, and what it said.
cut_off() {
	echo "not ok $suite $running: the tests ended in it"
	sed 's/^/    /' "$running_log" | tail -n 20
}

ok() {	# what, command...
	local what=$1 log start=$SECONDS
	shift
	[[ $what =~ ${CPT_VM_ONLY:-} ]] || return 0
	log=$(mktemp)
	running=$what running_log=$log
	trap cut_off EXIT
	if "$@" >"$log" 2>&1; then
		echo "ok $suite $what ($((SECONDS - start))s)"
		passed=$((passed + 1))
	else
		echo "not ok $suite $what"
		after_failure >>"$log" 2>&1
		sed 's/^/    /' "$log" | tail -n 20
		failed=$((failed + 1))
	fi
	trap - EXIT
	rm -f "$log"
}

# Fails, and its error says what it should.
refuses() {	# text, command...
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "it did not fail: $*"
		return 1
	fi
	grep -q -- "$text" <<<"$out" || { echo "\"$text\" is not in: $out"; return 1; }
}

# Seconds to wait for, without a process: starting one costs more than what is waited for, in emulation.
# What becomes a container is started without that descriptor.
mkfifo "/tmp/nap.$$" && exec 8<>"/tmp/nap.$$" && rm "/tmp/nap.$$"
nap() { read -rt "$1" -u 8 || true; }

populated() {	# cgroup
	local lines
	{ mapfile -t lines <"/sys/fs/cgroup/$1/cgroup.events"; } 2>/dev/null && [[ ${lines[*]} == *"populated 1"* ]]
}
kill_all() {	# cgroup
	echo 1 >"/sys/fs/cgroup/$1/cgroup.kill"
	while populated "$1"; do nap 0.02; done
}

end() {	# cgroup: its tasks, its volume, itself
	[ -d "$groups/$1" ] || return 0
	kill_all "$1"
	$cpt unpin "$1" && find "$groups/$1" -depth -type d -exec rmdir {} +
}

wait_for() {	# seconds, file...
	local until=$((SECONDS + $1)) file
	shift
	while [ $SECONDS -le $until ]; do
		for file in "$@"; do [ -e "$file" ] && return 0; done
		nap 0.05
	done
	echo "none of these after a while: $*"
	return 1
}

# The kernel log is part of a test's result: each test takes what is in it (scripts/vm keeps all of it) and
# fails if that has complaints. "Tainted" and the like come with these.
complaints='WARNING|BUG:|Oops|general protection|KASAN|possible circular|Bad page|Bad rss|Unused swap|swap_dup|swap_free|inconsistent lock|INFO: task .* blocked|UBSAN'
log_begin() { dmesg --clear; }
log_is_clean() {
	local log
	log=$(dmesg --read-clear --notime)
	[[ $log =~ $complaints ]] || return 0
	echo "kernel log: $(grep -E -m 5 "$complaints" <<<"$log")"
	return 1
}

swaps() { tail -n +2 /proc/swaps | wc -l; }

# Everything that may leak, a line each.
inventory() {
	echo "swap areas: $(swaps)"
	echo "device-mapper devices: $(dmsetup ls | sort | tr '\n' ' ')"
	echo "loop devices: $(losetup -n -O BACK-FILE | sort | tr '\n' ' ')"
	echo "cgroups: $(find $groups -mindepth 1 -type d | sort | tr '\n' ' ')"
	echo "blocks of the pool: $(dmsetup status --target thin-pool | awk '{ print $7 }')"
	[ ! -e "$catalog" ] || sqlite3 -readonly "$catalog" "$(sqlite3 -readonly "$catalog" "SELECT group_concat('SELECT ''rows of ' || name ||
		': '' || count(*) FROM ' || name, ' UNION ALL ') FROM sqlite_schema
		WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")"
	grep -E '^(MemSwap|SwapTotal|SwapFree)' /proc/meminfo
	echo "System V objects: $(ipcs | awk '/^0x/ { n++ } END { print n + 0 }')"
}

results() {
	echo "$passed passed, $failed failed"
	[ $failed = 0 ]
}
