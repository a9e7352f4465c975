#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# In the VM: containers that have an end of a pipe, unix socket or terminal whose other end is outside, or mounts
# that came from there, and what `cpt restore` is told to put there. Last line: N passed, N failed.
set -uo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cpt=$top/build/cpt
work=/scratch/outside
groups=/sys/fs/cgroup
suite=outside
. "$top/tests/vm/lib.sh"

end() {	# cgroup: its tasks, its volume, itself
	[ -d "$groups/$1" ] || return 0
	kill_all "$1"
	$cpt unpin "$1" 2>/dev/null
	rmdir "$groups/$1"
}
after_failure() { [ -z "${terminal:-}" ] || kill "$terminal" 2>/dev/null; [ ! -e $work/log ] || { echo "its log:"; cat $work/log; }; end web; }

# In the container: answers each line. Its ends are descriptors 5 and 6, unless it is to use 0 and 1.
cat >/tmp/answer <<'P'
trap '' PIPE
trap 'echo interrupted >>$1' INT
if [ "$2" = standard ]; then in=0 out=1; else exec 5<&0 6>&1 0</dev/null 1>/dev/null; in=5 out=6; fi
exec 2>/dev/null
echo ready >>$1
while read -r -u $in line; do
	echo "got $line" >>$1
	echo "answer $line" >&$out || { echo "nobody reads" >>$1; break; }
done
echo "the end" >>$1
while :; do sleep 1000; done
P

# Standard input and output are its ends; it gets a session of its own.
into() { # cgroup, command...
	mkdir -p $groups/$1
	setsid bash -c 'echo $$ >$1/cgroup.procs; shift; exec "$@"' - "$groups/$1" "${@:2}" 3>&- 4>&- 5>&- 6>&- 8>&- &
}
begin() {
	end web
	exec 3>&- 4>&- 5>&- 6>&-
	umount -q $work/* 2>/dev/null
	rm -rf $work
	mkdir -p $work
	mkfifo $work/in $work/out $work/in2 $work/out2
}
soon() { # command...: within a while it succeeds
	local i
	for i in $(seq 300); do
		"$@" 2>/dev/null && return 0
		nap 0.1
	done
	return 1
}
says() { # text: a line of the program's log
	soon grep -qxF "$1" $work/log || { echo "it did not say: $1"; return 1; }
}
ask() { # text in out: a line to the program, and its answer
	local line
	echo "$1" >&"$2" && read -rt 60 line <&"$3" && [ "$line" = "answer $1" ] || { echo "the answer: ${line:-none}"; return 1; }
}

# Names of what is outside, as the refusal tells them.
refused() { # number
	local said
	if said=$($cpt snapshot web 2>&1); then echo "it was not refused"; return 1; fi
	mapfile -t names < <(grep -oE -- '--outside (pipe|unix|tty|mount):[^ ]* takes' <<<"$said" | awk '{ print $2 }')
	[ ${#names[@]} = "$1" ] || { echo "$1 things are not in: $said"; return 1; }
	[[ $said == *"nothing was changed"* ]] && ! grep -q . <<<"$($cpt list | grep pinned)" || { echo "$said"; return 1; }
	echo "${names[*]}"
}
snapshot() { # option...
	id=$($cpt snapshot --kill "$@" web) && $cpt unpin web
}

# ---- pipes --------------------------------------------------------------------

# Pipes from and to this shell, by way of cat, which keeps the other ends.
pipes() { # standard?
	begin
	cat <$work/in | into web bash /tmp/answer $work/log "$1" | cat >$work/out &
	exec 5<>$work/in 6<>$work/out
	says ready && ask one 5 6
}
pipes_refused() {
	local said
	pipes "" && refused 2 && [[ ${names[0]} == pipe:* && ${names[1]} == pipe:* && ${names[0]} != "${names[1]}" ]] &&
		refuses "for these 2: --outside ${names[0]} --outside ${names[1]}, or --outside all" $cpt snapshot web &&
		refuses "${names[1]}" $cpt snapshot --outside "${names[0]}" web && ask two 5 6 || return 1
	id=$($cpt snapshot --outside "${names[0]}" --outside "pipe:[${names[1]#pipe:}]" web) && ask three 5 6 || return 1
	# The rows that others read.
	said=$(sqlite3 -readonly /var/lib/cpt/catalog.db "SELECT group_concat(name || ' ' || access, ', ') FROM
		(SELECT * FROM outside WHERE snapshot_id = '$id' ORDER BY access)") && echo "$said" &&
		[ "$said" = "${names[0]} 1, ${names[1]} 2" ] && said=$($cpt show "$id") && echo "$said" &&
		grep -q "^  ${names[0]}, bash (descriptor 5)" <<<"$said" && said=$($cpt --json show "$id") &&
		grep -qF "\"name\":\"${names[0]}\",\"kind\":\"pipe\",\"reads\":true,\"writes\":false" <<<"$said" && end web
}
pipes_undecided() {
	local said
	refuses "--inherit ${names[0]}=FD, --replace ${names[0]}=PATH or --drop ${names[0]}" $cpt restore "$id" &&
		refuses "--inherit ${names[1]}=FD, --replace ${names[1]}=PATH or --drop ${names[1]}" $cpt restore --dry-run "$id" &&
		refuses "descriptor 77 is not open" $cpt restore --inherit pipe=77 "$id" &&
		refuses "called pipe:1" $cpt restore --drop all --drop pipe:1 "$id" &&
		refuses "open for reading only, and the container writes" $cpt restore --inherit pipe=0 "$id" </dev/null &&
		[ ! -e $groups/web/cgroup.procs ] || [ ! -s $groups/web/cgroup.procs ] || return 1
	said=$($cpt restore --dry-run --drop all --replace "${names[0]}=/dev/null" "$id" 2>&1) &&
		grep -q "^${names[0]}, .*: /dev/null$" <<<"$said" && grep -q "^${names[1]}, .*: dropped" <<<"$said" &&
		said=$($cpt --json restore --dry-run --drop pipe "$id" 2>/dev/null) && grep -qF '"how":"drop"' <<<"$said"
}
pipes_inherited() {
	exec 3<>$work/in2 4<>$work/out2
	$cpt restore --inherit "${names[0]}=3" --inherit "${names[1]}=4" "$id" && ask inherited 3 4 || return 1
	# Its input ends with its last writer, for cpt has kept none.
	exec 3>&-
	says "the end" && exec 4<&- && end web
}
# A line that waits in a fifo until the program says that it has it: whoever opens and closes a fifo may lose it.
fifo_holds() { # fifo line what-it-says
	(exec 7<>"$1" && echo "$2" >&7 && says "$3" >/dev/null) &
	nap 0.5
}
pipes_replaced() {
	rm $work/log; touch $work/file
	fifo_holds $work/in2 from "got from"
	$cpt restore --replace "${names[0]}=$work/in2" --replace "pipe=$work/file" "$id" && says "got from" && says "the end" &&
		end web && grep -qx "answer from" $work/file
}
pipes_dropped() {
	rm $work/log
	$cpt restore --drop pipe "$id" && says "the end" && end web || return 1
	rm $work/log
	fifo_holds $work/in2 last "nobody reads"
	$cpt restore --replace "${names[0]}=$work/in2" --drop "${names[1]}" "$id" && says "nobody reads" && end web
}
# What was sent and not read yet belongs to the container, and is there first.
pipes_filled() {
	local stopped
	pipes standard && stopped=$(<$groups/web/cgroup.procs) && kill -STOP "$stopped" && echo unread >&5 || return 1
	nap 1
	snapshot --outside 'pipe:*' && end web || return 1
	refuses "can't be put before" $cpt restore --drop pipe --replace "pipe=/dev/null" "$id" || return 1
	rm $work/log
	$cpt restore --replace "pipe=$work/out2" --inherit "$(input_name)=3" "$id" 3<>$work/in2 4<>$work/out2 || return 1
	kill -CONT "$(<$groups/web/cgroup.procs)" && says "got unread" && end web || return 1
	rm $work/log
	$cpt restore --drop all "$id" && kill -CONT "$(<$groups/web/cgroup.procs)" && says "got unread" &&
		says "nobody reads" && end web && $cpt rm "$id"
}
input_name() {
	sqlite3 -readonly /var/lib/cpt/catalog.db "SELECT name FROM outside WHERE snapshot_id = '$id' AND access = 1"
}
# In namespaces of its own, to fifos that it has opened there.
fifos() {
	begin
	exec 5<>$work/in 6<>$work/out
	$cpt run --output $work/out.log web -- bash -c "exec <$work/in >$work/out; exec bash /tmp/answer $work/log standard" 8>&- 5>&- 6>&- >/dev/null &&
		says ready && ask one 5 6 && refused 2 && [ "${names[0]}" = "pipe:$work/in" ] && snapshot --outside all &&
		rm $work/log && $cpt restore --replace "${names[0]}=$work/in" --replace "${names[1]}=$work/out" "$id" && ask two 5 6 &&
		end web && $cpt restore --drop all "$id" && says "the end" && ask_nobody && end web && $cpt rm "$id"
}
ask_nobody() { ! read -rt 1 -u 6; }

# ---- unix sockets ---------------------------------------------------------------

cat >/tmp/server <<'P'
use IO::Socket::UNIX;
my ($path, $heard, $n) = (@ARGV, 0);
my $s = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die;
while (my $c = $s->accept) {
	$n++;
	next if fork;
	syswrite $c, "call $n\n";
	open my $h, ">>", $heard;
	while (defined(my $line = <$c>)) { syswrite $h, $line }
	exit;
}
P
cat >/tmp/client <<'P'
use IO::Socket::UNIX;
my $c = IO::Socket::UNIX->new(Peer => shift) or die;
open STDIN, "<&", $c; open STDOUT, ">&", $c;
close $c;
exec @ARGV;
P
cat >/tmp/pair <<'P'
use Socket;
$^F = 20;	# not closed by exec
socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0);
my ($name, @command) = @ARGV;
system(@command, "--inherit", "$name=" . fileno($b)) == 0 or die;
close $b;
syswrite $a, "pair\n";
my $line = <$a>;
exit($line ne "answer pair\n");
P
hears() { # text
	soon grep -qxF "$1" $work/heard || { echo "the server did not hear: $1"; return 1; }
}
serve() {
	perl /tmp/server $work/server $work/heard 8>&- &
	server=$!
	wait_for 60 $work/server
}
sockets() {
	begin
	serve || return 1
	into web perl /tmp/client $work/server bash /tmp/answer $work/log "$1"
	says ready && hears "answer call 1"
}
sockets_refused() {
	sockets "" && refused 1 && [ "${names[0]}" = "unix:$work/server" ] && snapshot --outside 'unix:/scratch/*'
}
sockets_replaced() {
	refuses "${names[0]}=PATH" $cpt restore "$id" && refuses "a regular file, and it was a unix socket" \
		$cpt restore --replace "unix=/tmp/answer" "$id" && $cpt restore --replace "unix=$work/server" "$id" &&
		hears "answer call 2" && end web
}
sockets_inherited() { timeout 60 perl /tmp/pair unix $cpt restore "$id" && end web; }
sockets_dropped() {
	rm $work/log
	kill "$server"
	refuses "connect to" $cpt restore --replace "unix=$work/server" "$id" &&
		[ ! -e $groups/web ] || ! populated web || return 1
	$cpt restore --drop "${names[0]}" "$id" && says "the end" && end web && $cpt rm "$id"
}
# A journal, say: what is only standard output can be a file afterwards.
socket_as_output() {
	sockets standard && snapshot --outside unix && kill "$server" && touch $work/file || return 1
	refuses "read and written, of which a pipe does one" $cpt restore --replace "unix=$work/in2" "$id" || return 1
	rm $work/log
	echo "a line" >$work/file
	$cpt restore --replace "unix=$work/file" "$id" && says "got a line" && end web && $cpt rm "$id" &&
		grep -qx "answer a line" $work/file
}

# ---- terminals --------------------------------------------------------------------

# A terminal with what is typed coming from a fifo and its screen in a file; of a session of its own, or of none.
cat >/tmp/terminal.py <<'P'
import fcntl, os, pty, select, signal, sys, termios
whose, typed, screen, name, *command = sys.argv[1:]
master, slave = pty.openpty()
with open(name, "w") as f:
    f.write(os.ttyname(slave))
if os.fork() == 0:
    if whose == "session":
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in 0, 1, 2:
        os.dup2(slave, fd)
    signal.signal(signal.SIGINT, signal.SIG_DFL)	# a shell has its background ignore it
    os.closerange(3, 256)
    os.execvp(command[0], command)
keys, out = os.open(typed, os.O_RDWR), os.open(screen, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
while True:
    for fd in select.select([keys, master], [], [])[0]:
        os.write(master if fd == keys else out, os.read(fd, 1000))
P
terminal() { # whose fifo command...
	rm -f $work/screen $work/tty
	/usr/bin/python3 /tmp/terminal.py "$1" "$2" $work/screen $work/tty "${@:3}" 3>&- 4>&- 5>&- 6>&- 8>&- &
	terminal=$!
	wait_for 60 $work/tty
}
no_terminal() { kill "$terminal"; wait "$terminal" 2>/dev/null; true; }
shows() { # text
	soon grep -qF "$1" $work/screen || { echo "the screen does not show: $1, but: $(cat $work/screen)"; return 1; }
}
types() { printf '%b' "$2" >"$1"; }
# Has the program a controlling terminal?
controlled() { awk '$7 != 0 { found = 1 } END { exit !found }' $(sed 's|.*|/proc/&/stat|' $groups/web/cgroup.procs); }
empty() { ! populated web; }
ended() { soon empty || { echo "it did not end"; return 1; }; }
terminal_refused() {
	begin
	mkdir -p $groups/web
	terminal session $work/in bash -c "echo \$\$ >$groups/web/cgroup.procs; stty -echo; exec bash /tmp/answer $work/log standard"
	says ready && types $work/in 'one\n' && shows "answer one" && controlled && refused 1 &&
		[ "${names[0]}" = "tty:$(cat $work/tty)" ] && snapshot --outside all && no_terminal || return 1
	refuses "--drop ${names[0]}" $cpt restore "$id"
}
terminal_inherited() {
	terminal none $work/in2 $cpt restore --inherit 'tty:*=0' "$id"
	types $work/in2 'two\n' && shows "answer two" && controlled || return 1
	# A shell runs its trap when it has read the line, the start of which is forgotten.
	types $work/in2 'thr\003' && nap 1 && types $work/in2 'ee\n' && says interrupted && shows "answer ee" || return 1
	# Its modes came with it.
	! grep -q '^ee' $work/screen && end web && no_terminal
}
# A terminal that is a shell's already stays that shell's.
terminal_busy() {
	terminal session $work/in2 bash -c "$cpt restore --inherit tty=0 $id; exec sleep 1000"
	shows "the controlling terminal of another session" && types $work/in2 'three\n' && shows "answer three" &&
		! controlled && end web && no_terminal
}
terminal_replaced() {
	rm $work/log
	terminal none $work/in2 sleep 1000
	$cpt restore --replace "tty=$(cat $work/tty)" "$id" && types $work/in2 'four\n' && shows "answer four" && controlled || return 1
	# The kernel tells the leader of a session that its terminal is gone (SIGHUP).
	no_terminal && ended && end web
}
terminal_dropped() {
	rm $work/log
	refuses "the controlling one of a session" $cpt restore --replace tty=/dev/null "$id" &&
		$cpt restore --drop tty "$id" && says "the end" && ! controlled && end web && $cpt rm "$id"
}

# ---- mounts -----------------------------------------------------------------------

# Works in a directory, of which it has a log open: does what is written to "go" there, and logs what it said.
cat >/tmp/worker <<'P'
chdir shift or die;
open LOG, ">>", "log"; select LOG; $| = 1;
print "ready\n";
for (;; select undef, undef, undef, 0.05) {
	-s "go" or next;
	my $command = `cat go`;
	unlink "go";
	print `($command) 2>&1`, "done\n";
}
P
# cpt run gives it mounts of its own, which come from the host; what is to be mounted in there comes before the worker.
worker() { # command, option of cpt run...
	$cpt run --output $work/out.log "${@:2}" web -- bash -c "$1; exec perl /tmp/worker $work/in.place" 8>&- >/dev/null &&
		wait_for 60 $work/in.place/log
}
# In the container; what it says is in the log, which is found in that directory by the host. It has done its last.
does() { # directory command expected
	local before after
	before=$(grep -c '^done$' "$1/log")
	echo "$2" >"$1/go.new" && mv "$1/go.new" "$1/go" || return 1
	for after in $(seq 600); do
		after=$(grep -c '^done$' "$1/log")
		[ "$after" -gt "$before" ] && break
		nap 0.1
	done
	grep -qF -- "$3" "$1/log" || { echo "$2 did not say $3, but:"; cat "$1/log"; return 1; }
}
# A disk at in.place, which is the host's, too.
disk() {
	begin
	mkdir -p $work/in.place $work/elsewhere $work/empty
	truncate -s 8M $work/disk.img
	mkfs.ext4 -q $work/disk.img && mount -o loop $work/disk.img $work/in.place
}
options_of() { awk -v point="$work/in.place" '$5 == point { print $6 }' "/proc/$(head -n 1 $groups/web/cgroup.procs)/mountinfo"; }

# The disk is taken out on the host, while the container has it.
mount_refused() {
	disk && worker "mount -o remount,bind,nosuid,noexec $work/in.place" && umount $work/in.place || return 1
	refuses "the mount $work/in.place (ext4): only the container has it" $cpt snapshot web &&
		refused 1 && [ "${names[0]}" = "mount:$work/in.place" ] && snapshot --outside "mount:$work/*" && end web || return 1
	$cpt show "$id" | grep -q "^  mount:$work/in.place, ext4 of /dev/loop" &&
		refuses "--replace mount:$work/in.place=PATH or --drop" $cpt restore "$id" &&
		refuses "what comes in place of it" $cpt restore --dry-run "$id"
}
mount_replaced() {
	mount -o loop $work/disk.img $work/elsewhere || return 1
	$cpt restore --dry-run --replace "mount:*=$work/elsewhere" "$id" 2>&1 | grep -q "^mount:$work/in.place, .*: $work/elsewhere$" &&
		$cpt restore --replace "mount:$work/in.place=$work/elsewhere" "$id" &&
		does $work/elsewhere "pwd; echo new >new" "$work/in.place" && [ "$(<$work/elsewhere/new)" = new ] &&
		[[ $(options_of) == rw,nosuid,noexec,* ]] && end web
}
mount_misfits() {
	local said
	refuses "a regular file, and it was a directory" $cpt restore --replace "mount=/etc/passwd" "$id" &&
		refuses "find $work/none" $cpt restore --replace "mount=$work/none" "$id" || return 1
	# All that is not there is listed before anything is made.
	said=$($cpt restore --replace "mount=$work/empty" "$id" 2>&1) && return 1
	echo "$said"
	grep -qF "mount:$work/in.place: $work/in.place/log, perl (descriptor 3): it is not in $work/empty" <<<"$said" &&
		grep -q "1 thing that the container needs is not in what comes" <<<"$said" || return 1
	echo >$work/empty/log
	refuses "it had 6 bytes and has 1 in $work/empty" $cpt restore --replace "mount=$work/empty" "$id" && ! populated web || return 1
	rm $work/empty/log && mkdir $work/empty/log &&
		refuses "it was a regular file and is a directory" $cpt restore --dry-run --inherit "mount=7" "$id" 7<$work/empty
	rmdir $work/empty/log
}
mount_inherited() {
	$cpt restore --inherit "mount=7" "$id" 7<$work/elsewhere && does $work/elsewhere "echo inherited" inherited && end web || return 1
	# open_tree(OPEN_TREE_CLONE): a mount that is nowhere.
	perl -e 'my ($path, $id) = splice @ARGV, 0, 2; my $fd = syscall(428, -100, $path, 1); $fd > 2 or die $!;
		exec @ARGV, "--inherit", "mount=$fd", $id' $work/elsewhere "$id" $cpt restore && does $work/elsewhere "echo nowhere" nowhere && [[ $(options_of) == rw,nosuid,noexec,* ]] && end web
}
mount_dropped() {
	local said
	said=$($cpt restore --drop all "$id" 2>&1) && return 1
	echo "$said"
	grep -qF "$work/in.place/log, perl (descriptor 3): nothing is mounted there any more" <<<"$said" &&
		grep -qF "$work/in.place, where perl is: nothing is mounted there" <<<"$said" &&
		grep -q "2 things that the container needs are not" <<<"$said" && $cpt rm "$id"
}

# File systems that cpt does not know, one with another of the container's own on it; in none has anybody anything open.
mounts_of_its_own() {
	begin
	mkdir -p $work/in.place $work/lower $work/upper $work/work $work/merged $work/ram $work/plain/on
	echo lower >$work/lower/file
	echo plain >$work/plain/file
	worker "mount -t overlay o -o lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/work $work/merged
		mount -t ramfs r $work/ram; mkdir $work/ram/on; mount -t tmpfs t $work/ram/on; echo kept >$work/ram/on/file
		touch $work/gone $work/file; mount --bind $work/gone $work/file; rm $work/gone" &&
		refused 3 && [ "${names[*]}" = "mount:$work/merged mount:$work/ram mount:$work/file" ] &&
		does $work/in.place "cat $work/merged/file" lower && snapshot --outside mount && end web || return 1
	refuses "$work/ram/on, a mount point: it is not in $work/lower" \
		$cpt restore --drop all --replace "mount:$work/ram=$work/lower" "$id" &&
		refuses "a directory, and it was no directory" $cpt restore --drop all --replace "mount:$work/file=$work" "$id" || return 1
	$cpt restore --replace "mount:$work/merged=$work/plain" --replace "mount:$work/ram=$work/plain" \
		--replace "mount:$work/file=/etc/hostname" "$id" &&
		does $work/in.place "cat $work/merged/file" plain && does $work/in.place "cat $work/file" "$(</etc/hostname)" && does $work/in.place "cat $work/ram/on/file" kept && end web
}
mounts_of_its_own_dropped() {
	local said
	said=$($cpt restore --dry-run --drop mount "$id" 2>&1) && echo "$said" &&
		grep -qF "mount:$work/ram is dropped with what is mounted on it: $work/ram/on" <<<"$said" &&
		grep -qF "mount:$work/merged, overlay of o: dropped: nothing is mounted there" <<<"$said" &&
		said=$($cpt --json restore --drop mount "$id" 2>/dev/null) && grep -qF '"kind":"mount","how":"drop"' <<<"$said" &&
		does $work/in.place "echo \$(grep -c $work/ /proc/self/mountinfo) left; ls $work/merged $work/ram | wc -l" "0 left" &&
		end web && $cpt rm "$id"
}

# In a copy of the host's mounts, as unshare(1) makes it: shared with the host's, or slaves of them.
shared() { # propagation
	begin
	mkdir -p $work/in.place $work/shared $work/private
	mount -t tmpfs s $work/shared && mount --make-shared $work/shared && mkdir $work/shared/{a,b} &&
		mount -t tmpfs p $work/private && mount --make-private $work/private && mkdir $work/private/{a,b} || return 1
	into web unshare -m --propagation "$1" perl /tmp/worker $work/in.place
	wait_for 60 $work/in.place/log
}
not_shared() { umount -q $work/shared/* $work/private/*; umount $work/shared $work/private; end web; }
comes() { # what the host mounts there comes to the container
	mount -t tmpfs new $work/shared/a && touch $work/shared/a/file && does $work/in.place "ls $work/shared/a | wc -l; ls $work/shared/a" file
	umount $work/shared/a
}
mount_shared_with_host() {
	shared unchanged && refuses "it is shared with mounts of the host" $cpt snapshot web && refused 1 &&
		[ "${names[0]}" = "mount:$work/shared" ] && snapshot --outside "${names[0]}" && end web &&
		$cpt restore --replace "${names[0]}=$work/shared" "$id" && comes || return 1
	# And back.
	does $work/in.place "mount -t tmpfs back $work/shared/b && touch $work/shared/b/back; echo mounted" mounted &&
		[ -e $work/shared/b/back ] && end web && umount $work/shared/b || return 1
	$cpt restore --replace "mount=$work/private" "$id" 2>&1 | tee $work/said &&
		grep -q "mount:$work/shared is not shared any more: what comes in its place isn't" $work/said && end web &&
		$cpt rm "$id"
}
mount_slave_of_host() {
	not_shared
	shared slave && snapshot && end web && $cpt restore "$id" && comes && end web && mount --make-private $work/shared || return 1
	refuses "it was a slave of the host's mount at $work/shared, which is not shared any more" $cpt restore "$id" &&
		refuses "not shared any more: what comes" $cpt restore --dry-run --replace "mount:$work/shared=$work/shared" "$id"
	mount --make-shared $work/private || return 1
	$cpt restore --replace "mount:$work/shared=$work/private" "$id" || return 1
	mount -t tmpfs new $work/private/a && touch $work/private/a/other &&
		does $work/in.place "ls $work/shared/a" other || return 1
	umount $work/private/a
	does $work/in.place "mount -t tmpfs own $work/shared/b; touch $work/shared/b/own; echo mounted" mounted &&
		[ ! -e $work/private/b/own ] && end web && $cpt rm "$id" && not_shared
}

# What the host has no more when a container is restored; and what it has, but shall not be used.
mount_lacking() {
	disk && worker : && snapshot && end web && umount $work/in.place || return 1
	refuses "this host has no ext4 mounted at $work/in.place; what comes in place of it" $cpt restore "$id" &&
		refuses "called mount:$work/none" $cpt restore --drop "mount:$work/none" "$id" || return 1
	mount -o loop $work/disk.img $work/elsewhere &&
		$cpt restore --replace "mount:$work/in.place=$work/elsewhere" "$id" && does $work/elsewhere "echo there" there && end web || return 1
	umount $work/elsewhere && mount -o loop $work/disk.img $work/in.place && cp $work/in.place/log $work/empty/log || return 1
	$cpt restore --replace "mount:$work/in.place=$work/empty" "$id" && does $work/empty "echo copied" copied && end web &&
		! grep -q copied $work/in.place/log && $cpt rm "$id"
	umount $work/in.place
}
# What a user namespace got it can't take away, and it has no more power over what comes in its place.
mount_locked() {
	disk && chown 100000 $work/in.place && worker : --user 100000 && umount $work/in.place &&
		does_inside "umount $work/in.place || echo it stays" "it stays" && snapshot --outside mount && end web &&
		mount -o loop $work/disk.img $work/elsewhere || return 1
	$cpt restore --replace "mount=$work/elsewhere" "$id" &&
		does $work/elsewhere "umount $work/in.place || echo it is locked" "it is locked" &&
		does $work/elsewhere "mount -o remount,bind,noatime $work/in.place || echo as it is" "as it is" && end web &&
		$cpt rm "$id" && umount $work/elsewhere
}
does_inside() { # as does(), when the host can't see the directory but by the container's root
	does "/proc/$(tail -n 1 $groups/web/cgroup.procs)/root$work/in.place" "$@"
}
root_dropped() {
	begin
	mkdir -p $work/in.place
	worker : && snapshot && end web && refuses "it is the root of a mount namespace" $cpt restore --drop mount:/ "$id" &&
		$cpt rm "$id"
}

mkdir -p $work /scratch/cpt /var/lib/cpt
mount --bind /scratch/cpt /var/lib/cpt
log_begin
$cpt init >/dev/null 2>&1
ok "pipes are refused by name, and taken if asked for" pipes_refused
ok "a restore lists what nobody decided" pipes_undecided
ok "pipes are inherited" pipes_inherited
ok "pipes are replaced" pipes_replaced
ok "pipes are dropped" pipes_dropped
ok "the snapshot of pipes goes" $cpt rm "${id:-}"
ok "what waited in a pipe is read first" pipes_filled
ok "fifos of a container in namespaces of its own" fifos
ok "unix sockets are refused by name, and taken if asked for" sockets_refused
ok "unix sockets are connected again" sockets_replaced
ok "unix sockets are inherited" sockets_inherited
ok "unix sockets are dropped" sockets_dropped
ok "a socket that is standard input and output becomes a file" socket_as_output
ok "a terminal is refused by name, and taken if asked for" terminal_refused
ok "a terminal is inherited, as the controlling one" terminal_inherited
ok "a terminal of another session is not taken away from it" terminal_busy
ok "a terminal is replaced" terminal_replaced
ok "a terminal is dropped" terminal_dropped
ok "a mount that only the container has is refused by name, and taken if asked for" mount_refused
ok "a mount is replaced" mount_replaced
ok "what can't replace a mount is told before anything is made" mount_misfits
ok "a mount is inherited" mount_inherited
ok "a mount that is in use is not dropped" mount_dropped
ok "file systems that cpt does not know are replaced" mounts_of_its_own
ok "file systems that cpt does not know are dropped" mounts_of_its_own_dropped
ok "a mount that is shared with the host is shared again" mount_shared_with_host
ok "a slave of a mount of the host that is not shared any more" mount_slave_of_host
ok "a mount that this host lacks is replaced" mount_lacking
ok "a mount that a user namespace got stays locked" mount_locked
ok "the root of a mount namespace can't be dropped" root_dropped
ok "the kernel log is clean" log_is_clean
results
