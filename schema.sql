-- SPDX-License-Identifier: GPL-2.0-only
-- The catalog of a cpt store. It holds everything about snapshots but memory
-- contents, which are on thin volumes of the store's pool and are found there
-- by the runs recorded here. `.schema` in the sqlite3 shell prints this text.
--
-- Times are nanoseconds since 1970 (CLOCK_REALTIME), sizes are bytes, and
-- integers are the kernel's own numbers, unless a comment says otherwise.

PRAGMA application_id = 0x63707431;	-- "cpt1": tells a catalog from other SQLite files
PRAGMA user_version = 1;		-- of this schema; src/store/catalog.c migrates older ones

-- ---- the store ------------------------------------------------------------

-- What was decided when the store was made.
CREATE TABLE setting (
	key TEXT NOT NULL PRIMARY KEY,	-- uuid, data_device, metadata_device, volume_bytes
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Thin volumes of the pool.
CREATE TABLE volume (
	thin_id INTEGER NOT NULL PRIMARY KEY CHECK (thin_id BETWEEN 1 AND 16777215),	-- in the pool
	role TEXT NOT NULL CHECK (role IN ('live', 'snapshot')),	-- swapped on for a container, or frozen for good
	-- the volume it was taken from, while that exists
	origin INTEGER REFERENCES volume (thin_id) ON DELETE SET NULL,
	bytes INTEGER NOT NULL CHECK (bytes > 0),	-- virtual size; what it occupies is the pool's business
	created_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX volume_origin ON volume (origin);

-- Thin ids that a command is about to make or to delete. With the store's
-- lock held, whatever is here belongs to a command that was cut short: the
-- next one that opens the store removes it from the pool.
CREATE TABLE unfinished (
	thin_id INTEGER NOT NULL PRIMARY KEY CHECK (thin_id BETWEEN 1 AND 16777215),
	since_ns INTEGER NOT NULL DEFAULT (unixepoch() * 1000000000)
) STRICT;

-- Snapshots. Each is complete in itself; its parent only tells what it was
-- made from, and removing one never harms another.
CREATE TABLE snapshot (
	id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 12 AND id NOT GLOB '*[^0-9a-f]*'),
	-- the snapshot that this one is an increment of, while that exists
	parent TEXT REFERENCES snapshot (id) ON DELETE SET NULL,
	cgroup TEXT NOT NULL,		-- of the container: its path below the cgroup2 mount
	thin_id INTEGER NOT NULL UNIQUE REFERENCES volume (thin_id),	-- has the memory
	created_ns INTEGER NOT NULL,
	hostname TEXT NOT NULL,		-- where it was taken (uname -n),
	kernel TEXT NOT NULL,		-- and on what (uname -r)
	tasks INTEGER NOT NULL,		-- processes
	threads INTEGER NOT NULL,
	pages INTEGER NOT NULL,		-- of memory that its runs name
	pages_written INTEGER NOT NULL,	-- to the volume for this snapshot: the increment
	runs INTEGER NOT NULL,		-- of pages that lie together, in memory and on the volume
	frozen_ns INTEGER NOT NULL,	-- how long the container was stopped for it
	total_ns INTEGER NOT NULL,	-- how long taking it took
	catalog_bytes INTEGER NOT NULL	-- what it added to this file
) STRICT, WITHOUT ROWID;
CREATE INDEX snapshot_parent ON snapshot (parent);

-- What a snapshot consists of: how many rows each table below has for it. A
-- restore reads only the tables named here, and finds when rows are missing.
CREATE TABLE snapshot_table (
	snapshot_id TEXT NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
	noun TEXT NOT NULL,		-- the table
	rows INTEGER NOT NULL CHECK (rows > 0),
	PRIMARY KEY (snapshot_id, noun)
) STRICT, WITHOUT ROWID;

-- Containers that are bound to a swap volume now.
CREATE TABLE pin (
	cgroup TEXT NOT NULL PRIMARY KEY,	-- path below the cgroup2 mount
	thin_id INTEGER NOT NULL UNIQUE REFERENCES volume (thin_id) ON DELETE CASCADE,
	-- what the volume's contents derive from: the last snapshot taken, or the restored one
	parent_snapshot TEXT REFERENCES snapshot (id) ON DELETE SET NULL,
	boot_id TEXT NOT NULL,		-- /proc/sys/kernel/random/boot_id: a pin does not outlive its boot
	-- what is left to do when no command is at work on it, for one was killed: 'end' the tasks in the cgroup and
	-- unpin it; the same and 'remove' it; 'thaw' it, for its restore is complete. NULL: nothing
	cut_short TEXT CHECK (cut_short IN ('end', 'remove', 'thaw'))
) STRICT, WITHOUT ROWID;
CREATE INDEX pin_parent_snapshot ON pin (parent_snapshot);

-- ---- what a snapshot holds --------------------------------------------------
--
-- One table a noun, each with the snapshot as its first column, as in:
--
--	CREATE TABLE noun (
--		snapshot_id TEXT NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
--		...
--		PRIMARY KEY (snapshot_id, ...)
--	) STRICT, WITHOUT ROWID;
--
-- src/state/<noun>.c saves and restores it.
-- ---- tasks -----------------------------------------------------------------

-- Namespaces of the container that were not the host's.
CREATE TABLE namespace (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	namespace INTEGER NOT NULL,	-- numbered from 0
	type TEXT NOT NULL CHECK (type IN ('pid', 'ipc', 'uts', 'mnt', 'user', 'time', 'cgroup')),
	inode INTEGER NOT NULL,		-- its number then, as in /proc/<pid>/ns; for audits
	parent INTEGER,			-- pid, user: the namespace around it; NULL: the host's
	level INTEGER,			-- pid: 1 is just below the host's
	user_ns INTEGER,		-- all but user: the user namespace that owns it; NULL: the host's
	PRIMARY KEY (snapshot_id, namespace)
) STRICT, WITHOUT ROWID;

-- What only user namespaces have (user_namespaces(7)). Ids of users and groups are the host's throughout the catalog.
CREATE TABLE user_namespace (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	namespace INTEGER NOT NULL,
	owner INTEGER NOT NULL,		-- user whose namespace it is: who made it
	setgroups INTEGER NOT NULL,	-- 0: setgroups(2) is denied for good
	PRIMARY KEY (snapshot_id, namespace)
) STRICT, WITHOUT ROWID;

-- Lines of uid_map and gid_map of user namespaces.
CREATE TABLE id_map (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	namespace INTEGER NOT NULL,
	type TEXT NOT NULL CHECK (type IN ('uid', 'gid')),
	place INTEGER NOT NULL,		-- of the line in its file
	inside INTEGER NOT NULL,	-- first id in the namespace,
	host INTEGER NOT NULL,		-- which is this one of the host,
	count INTEGER NOT NULL,		-- and so on, so many
	PRIMARY KEY (snapshot_id, namespace, type, place)
) STRICT, WITHOUT ROWID;

-- How many objects a user of a user namespace may have in it, where there is a limit.
CREATE TABLE user_limit (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	namespace INTEGER NOT NULL,
	name TEXT NOT NULL,		-- of a file of /proc/sys/user: 'max_pid_namespaces'
	value INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, namespace, name)
) STRICT, WITHOUT ROWID;

-- Names of uts namespaces.
CREATE TABLE uts (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	namespace INTEGER NOT NULL,
	nodename TEXT NOT NULL,		-- uname -n
	domainname TEXT NOT NULL,
	PRIMARY KEY (snapshot_id, namespace)
) STRICT, WITHOUT ROWID;

-- What the clocks read that have offsets in time namespaces, when the container was stopped.
CREATE TABLE clock (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	namespace INTEGER,		-- namespace.namespace; NULL: the host's
	clock INTEGER NOT NULL,		-- 1: CLOCK_MONOTONIC, 7: CLOCK_BOOTTIME
	value_ns INTEGER NOT NULL,	-- nanoseconds
	UNIQUE (snapshot_id, namespace, clock)
) STRICT;

-- The container's cgroup and those below it.
CREATE TABLE cgroup (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	cgroup TEXT NOT NULL,		-- path below the container's, 'a/b'; '' for itself
	type TEXT NOT NULL CHECK (type IN ('domain', 'domain threaded', 'domain invalid', 'threaded')),
	controllers TEXT NOT NULL,	-- that are on for its children: cgroup.subtree_control
	frozen INTEGER NOT NULL,	-- 1: by its own cgroup.freeze
	uid INTEGER NOT NULL,		-- owner and mode of its directory
	gid INTEGER NOT NULL,
	mode INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, cgroup)
) STRICT, WITHOUT ROWID;

-- Settings of cgroups that are not as in a new one. Those of the container's own cgroup are applied if a restore
-- makes it; one that is there keeps its own.
CREATE TABLE cgroup_setting (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	cgroup TEXT NOT NULL,		-- cgroup.cgroup
	file TEXT NOT NULL,		-- 'memory.max'
	value TEXT,			-- as it reads; NULL: only owner or mode are not as in a new cgroup
	uid INTEGER NOT NULL,		-- owner and mode of the file
	gid INTEGER NOT NULL,
	mode INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, cgroup, file)
) STRICT, WITHOUT ROWID;

-- Threads that are in a threaded cgroup below that of their process.
CREATE TABLE cgroup_thread (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	thread INTEGER NOT NULL,	-- thread.thread
	cgroup TEXT NOT NULL,		-- cgroup.cgroup
	PRIMARY KEY (snapshot_id, thread)
) STRICT, WITHOUT ROWID;

-- Roots of cgroup namespaces.
CREATE TABLE cgroup_ns (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	namespace INTEGER NOT NULL,	-- namespace.namespace
	cgroup TEXT NOT NULL,		-- cgroup.cgroup
	PRIMARY KEY (snapshot_id, namespace)
) STRICT, WITHOUT ROWID;

-- Mounts of mount namespaces, all that are there. Each is of a file system that the host has mounted, too, or of one of
-- the container's own, or shows a cgroup of the container; or it is something outside, which cpt can't make anew.
CREATE TABLE mount (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	mount_ns INTEGER NOT NULL,	-- namespace.namespace
	place INTEGER NOT NULL,		-- from 0, in the order they were made
	parent INTEGER,			-- place of the mount it is on; NULL: it is the root of the namespace
	point TEXT NOT NULL,		-- where it is mounted, from the root of the namespace
	root TEXT NOT NULL,		-- what of the file system: '/', or the source of a bind mount
	type TEXT NOT NULL,		-- of the file system
	source TEXT NOT NULL,
	options TEXT NOT NULL,		-- of this mount
	fs_options TEXT NOT NULL,	-- of its file system
	host_point TEXT,		-- where the host has it, or more of it, mounted; NULL: nowhere
	file_system INTEGER,		-- file_system.file_system; NULL: it is not the container's own
	cgroup TEXT,			-- of a cgroup2: cgroup.cgroup that it shows; NULL: none of the container's
	shared INTEGER,			-- number of its peer group; NULL: it is private
	master INTEGER,			-- peer group that it is a slave of; NULL: of none
	host_slave INTEGER NOT NULL,	-- of the host's mount at host_point it is 1: a slave, 2: a peer
	unbindable INTEGER NOT NULL,	-- 1: it is
	locked INTEGER NOT NULL,	-- 1: the user namespace that owns mount_ns got it, and can't unmount it
	is_file INTEGER,		-- what is mounted is 1: a file, 0: a directory; NULL: another mount covered it
	outside INTEGER,		-- outside.outside; NULL: it is none of these
	PRIMARY KEY (snapshot_id, mount_ns, place)
) STRICT, WITHOUT ROWID;

-- File systems that only the container has mounted.
CREATE TABLE file_system (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file_system INTEGER NOT NULL,	-- from 0
	type TEXT NOT NULL,		-- 'proc', 'sysfs', 'mqueue', 'devpts', 'tmpfs'
	source TEXT NOT NULL,
	options TEXT NOT NULL,
	ns INTEGER,			-- proc, mqueue: the pid, ipc namespace it shows (namespace.namespace); NULL: the host's
	user_ns INTEGER,		-- tmpfs, devpts: the user namespace it was made in; NULL: the host's
	dev_major INTEGER NOT NULL,	-- its device then
	dev_minor INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, file_system)
) STRICT, WITHOUT ROWID;

-- What is in a tmpfs of the container's own: its inodes.
CREATE TABLE tmpfs_node (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file_system INTEGER NOT NULL,	-- file_system.file_system
	node INTEGER NOT NULL,		-- from 0, the root directory; a directory before what is in it
	mode INTEGER NOT NULL,		-- format and permissions (st_mode)
	uid INTEGER NOT NULL,
	gid INTEGER NOT NULL,
	atime_ns INTEGER NOT NULL,
	mtime_ns INTEGER NOT NULL,
	size INTEGER NOT NULL,		-- bytes of a regular file
	dev_major INTEGER NOT NULL,	-- of a device node
	dev_minor INTEGER NOT NULL,
	target TEXT,			-- of a symbolic link
	shmem INTEGER,			-- contents of a regular file (shmem.shmem); NULL: all of it is a hole
	PRIMARY KEY (snapshot_id, file_system, node)
) STRICT, WITHOUT ROWID;

-- Names of these inodes. One that is no directory may have several: hard links.
CREATE TABLE tmpfs_name (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file_system INTEGER NOT NULL,
	directory INTEGER NOT NULL,	-- tmpfs_node.node that it is in
	name TEXT NOT NULL,
	node INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, file_system, directory, name)
) STRICT, WITHOUT ROWID;

-- Their extended attributes; access control lists are among them.
CREATE TABLE tmpfs_xattr (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file_system INTEGER NOT NULL,
	node INTEGER NOT NULL,
	name TEXT NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY (snapshot_id, file_system, node, name)
) STRICT, WITHOUT ROWID;

-- Processes. A process is known by its pid in the host's pid namespace then.
CREATE TABLE process (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	process INTEGER NOT NULL,
	parent INTEGER,			-- NULL: outside the container
	pgrp INTEGER NOT NULL,		-- process that leads its group, or led it (leader.leader),
	session INTEGER NOT NULL,	-- its session
	pid_ns INTEGER,			-- namespace.namespace; NULL: the host's
	ipc_ns INTEGER,			-- these of a zombie: NULL, it has none any more
	uts_ns INTEGER,
	mount_ns INTEGER,
	cgroup_ns INTEGER,
	time_ns INTEGER,
	time_ns_for_children INTEGER,	-- what its children will be in
	user_ns INTEGER,		-- of all its threads
	cgroup TEXT NOT NULL,		-- cgroup.cgroup; of its memory, too
	comm TEXT NOT NULL,
	exit_signal INTEGER NOT NULL,	-- that its parent gets when it ends
	child_subreaper INTEGER NOT NULL,	-- 1: orphans of its descendants become its children
	PRIMARY KEY (snapshot_id, process)
) STRICT, WITHOUT ROWID;

-- Former leaders of sessions and process groups: nothing is left of them but their ids, which are in table pid.
CREATE TABLE leader (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	leader INTEGER NOT NULL,	-- its id in the host's pid namespace then
	session INTEGER NOT NULL,	-- process.process or leader.leader: whose session it was in
	pid_ns INTEGER,			-- namespace.namespace; NULL: the host's
	PRIMARY KEY (snapshot_id, leader)
) STRICT, WITHOUT ROWID;

-- Processes that are stopped by job control.
CREATE TABLE stopped (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	process INTEGER NOT NULL,
	signal INTEGER,			-- SIGSTOP, SIGTSTP...; NULL: its parent has waited for the stop
	PRIMARY KEY (snapshot_id, process)
) STRICT, WITHOUT ROWID;

-- Those processes that have ended and that their parents have not waited for.
CREATE TABLE zombie (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	process INTEGER NOT NULL,
	status INTEGER NOT NULL,	-- as wait(2) gives it; that core was dumped comes back only where the
					-- kernel dumps into the working directory (core(5))
	uid INTEGER NOT NULL,
	gid INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, process)
) STRICT, WITHOUT ROWID;

-- Threads; a process's leader is the one with the same number.
CREATE TABLE thread (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	thread INTEGER NOT NULL,
	process INTEGER NOT NULL,
	comm TEXT NOT NULL,
	files INTEGER,			-- the first thread that has its descriptor table; NULL: of a zombie
	fs INTEGER,			-- the first thread that has its working directory, root and umask; NULL: of a zombie
	PRIMARY KEY (snapshot_id, thread)
) STRICT, WITHOUT ROWID;

-- The id of each thread, and of each former leader, at each pid namespace level: 0 is the host's, the highest its own.
CREATE TABLE pid (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	thread INTEGER NOT NULL,
	level INTEGER NOT NULL,
	pid INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, thread, level)
) STRICT, WITHOUT ROWID;

-- Registers, as ptrace(2) gives them.
CREATE TABLE registers (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	thread INTEGER NOT NULL,
	r15 INTEGER, r14 INTEGER, r13 INTEGER, r12 INTEGER, rbp INTEGER, rbx INTEGER, r11 INTEGER, r10 INTEGER,
	r9 INTEGER, r8 INTEGER, rax INTEGER, rcx INTEGER, rdx INTEGER, rsi INTEGER, rdi INTEGER,
	orig_rax INTEGER,		-- system call it was stopped in; -1: none
	rip INTEGER, cs INTEGER, eflags INTEGER, rsp INTEGER, ss INTEGER, fs_base INTEGER, gs_base INTEGER,
	ds INTEGER, es INTEGER, fs INTEGER, gs INTEGER,
	xstate BLOB NOT NULL,		-- XSAVE area: FPU, SSE, AVX...
	PRIMARY KEY (snapshot_id, thread)
) STRICT;

-- Signal handlers that are not the default.
CREATE TABLE sigaction (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	process INTEGER NOT NULL,
	signal INTEGER NOT NULL,
	handler INTEGER,		-- address; 0 default, 1 ignore
	flags INTEGER,			-- SA_*
	restorer INTEGER,
	mask INTEGER,			-- bit n - 1: signal n
	PRIMARY KEY (snapshot_id, process, signal)
) STRICT, WITHOUT ROWID;

-- Blocked signals and the alternate signal stack.
CREATE TABLE signal_mask (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	thread INTEGER NOT NULL,
	mask INTEGER,			-- bit n - 1: signal n
	stack_address INTEGER,
	stack_size INTEGER,
	stack_flags INTEGER NOT NULL,	-- SS_*
	PRIMARY KEY (snapshot_id, thread)
) STRICT, WITHOUT ROWID;

-- Signals that waited to be delivered.
CREATE TABLE pending_signal (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	thread INTEGER NOT NULL,
	shared INTEGER NOT NULL,	-- 1: sent to the process as a whole
	place INTEGER NOT NULL,		-- in the queue
	signal INTEGER NOT NULL,
	siginfo BLOB NOT NULL,		-- siginfo_t
	PRIMARY KEY (snapshot_id, thread, shared, place)
) STRICT, WITHOUT ROWID;

-- Who a thread is and what it may do.
CREATE TABLE credentials (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	thread INTEGER NOT NULL,
	-- as the host has them; capabilities are those in the user namespace of the process
	uid INTEGER NOT NULL, euid INTEGER NOT NULL, suid INTEGER NOT NULL, fsuid INTEGER NOT NULL,
	gid INTEGER NOT NULL, egid INTEGER NOT NULL, sgid INTEGER NOT NULL, fsgid INTEGER NOT NULL,
	groups TEXT NOT NULL,		-- supplementary ones, blank separated
	cap_inheritable INTEGER NOT NULL, cap_permitted INTEGER NOT NULL, cap_effective INTEGER NOT NULL,
	cap_bounding INTEGER NOT NULL, cap_ambient INTEGER NOT NULL,	-- bit n: capability n
	securebits INTEGER NOT NULL,
	no_new_privs INTEGER NOT NULL,
	dumpable INTEGER NOT NULL,
	parent_death_signal INTEGER NOT NULL,
	keep_caps INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, thread)
) STRICT, WITHOUT ROWID;

-- Which system calls a thread may make (seccomp(2)). Threads that may make any have no row.
CREATE TABLE seccomp (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	thread INTEGER NOT NULL,
	mode INTEGER NOT NULL,		-- 1: read, write, exit and sigreturn (strict); 2: what its filters allow
	filter INTEGER,			-- seccomp_filter.filter: the last that was set; NULL: strict
	speculation INTEGER NOT NULL,	-- 1: it may speculate past stores, though it has filters (SPEC_ALLOW)
	PRIMARY KEY (snapshot_id, thread)
) STRICT, WITHOUT ROWID;

-- Filters of system calls. Equal ones on top of equal ones are one row, whoever has them.
CREATE TABLE seccomp_filter (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	filter INTEGER NOT NULL,
	previous INTEGER,		-- seccomp_filter.filter: the one that was there before; NULL: it is the first
	program BLOB NOT NULL,		-- struct sock_filter, one after the other (classic BPF)
	log INTEGER NOT NULL,		-- 1: SECCOMP_FILTER_FLAG_LOG
	PRIMARY KEY (snapshot_id, filter)
) STRICT, WITHOUT ROWID;

-- Resource limits.
CREATE TABLE rlimit (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	process INTEGER NOT NULL,
	resource INTEGER NOT NULL,	-- RLIMIT_*
	soft INTEGER NOT NULL,		-- -1: unlimited
	hard INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, process, resource)
) STRICT, WITHOUT ROWID;

-- How a thread is scheduled.
CREATE TABLE scheduling (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	thread INTEGER NOT NULL,
	policy INTEGER NOT NULL,	-- SCHED_*
	flags INTEGER NOT NULL,
	nice INTEGER NOT NULL,
	priority INTEGER NOT NULL,
	runtime INTEGER NOT NULL, deadline INTEGER NOT NULL, period INTEGER NOT NULL,	-- nanoseconds
	affinity BLOB NOT NULL,		-- bit n: processor n
	oom_score_adj INTEGER NOT NULL,
	personality INTEGER NOT NULL,
	timer_slack_ns INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, thread)
) STRICT, WITHOUT ROWID;

-- Interval timers that run.
CREATE TABLE timer (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	process INTEGER NOT NULL,
	which INTEGER NOT NULL,		-- ITIMER_*
	value_us INTEGER NOT NULL,	-- time left, in microseconds; 0: ITIMER_REAL went off, others are disarmed
	interval_us INTEGER NOT NULL,
	queued INTEGER NOT NULL,	-- 1: SIGALRM was in pending_signal already when value_us was read
	PRIMARY KEY (snapshot_id, process, which)
) STRICT, WITHOUT ROWID;

-- Timers of timer_create(2).
CREATE TABLE posix_timer (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	process INTEGER NOT NULL,
	id INTEGER NOT NULL,		-- timer_t of the kernel
	clock INTEGER NOT NULL,		-- CLOCK_*; negative: CPU time of a process or thread
	clock_thread INTEGER,		-- whose CPU time it is, where the clock does not tell
	notify INTEGER NOT NULL,	-- SIGEV_*
	signal INTEGER NOT NULL,
	sigev_value INTEGER,
	target INTEGER,			-- thread that gets the signal; NULL: the process
	value_ns INTEGER NOT NULL,	-- time left; 0: disarmed, or it went off for the last time
	interval_ns INTEGER NOT NULL,
	overrun INTEGER NOT NULL,	-- of the signal that was delivered last
	queued INTEGER NOT NULL,	-- 1: its signal was in pending_signal already when value_ns was read
	PRIMARY KEY (snapshot_id, process, id)
) STRICT, WITHOUT ROWID;

-- Addresses that the kernel keeps for a thread's C library; 0: none.
CREATE TABLE thread_area (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	thread INTEGER NOT NULL,
	clear_tid INTEGER NOT NULL,	-- set_tid_address(2)
	robust_list INTEGER NOT NULL,	-- set_robust_list(2)
	robust_list_size INTEGER NOT NULL,
	rseq INTEGER NOT NULL,		-- rseq(2)
	rseq_size INTEGER NOT NULL,
	rseq_signature INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, thread)
) STRICT, WITHOUT ROWID;

-- Working directory, root, umask.
CREATE TABLE fs (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	fs INTEGER NOT NULL,		-- thread.fs
	cwd TEXT NOT NULL,
	root TEXT NOT NULL,
	umask INTEGER NOT NULL,
	cwd_deleted INTEGER,		-- deleted_file.deleted_file: it was removed; NULL: it was there
	PRIMARY KEY (snapshot_id, fs)
) STRICT, WITHOUT ROWID;

-- ---- System V IPC -----------------------------------------------------------

-- Shared memory segments; their pages are those of a shared memory object.
CREATE TABLE sysv_shm (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	ipc_ns INTEGER,			-- NULL: the host's
	id INTEGER NOT NULL,		-- shmid
	key INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
	creator_uid INTEGER NOT NULL, creator_gid INTEGER NOT NULL, mode INTEGER NOT NULL,
	shmem INTEGER NOT NULL,		-- shmem.shmem
	size INTEGER NOT NULL,
	locked INTEGER NOT NULL,	-- 1: SHM_LOCK
	removed INTEGER NOT NULL,	-- 1: goes with the last process that has it
	UNIQUE (snapshot_id, ipc_ns, id)
) STRICT;

-- Semaphore sets.
CREATE TABLE sysv_sem (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	ipc_ns INTEGER NOT NULL,
	id INTEGER NOT NULL,		-- semid
	key INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
	creator_uid INTEGER NOT NULL, creator_gid INTEGER NOT NULL, mode INTEGER NOT NULL,
	semaphores INTEGER NOT NULL,	-- how many
	PRIMARY KEY (snapshot_id, ipc_ns, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sysv_sem_value (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	ipc_ns INTEGER NOT NULL,
	id INTEGER NOT NULL,
	semaphore INTEGER NOT NULL,	-- in its set
	value INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, ipc_ns, id, semaphore)
) STRICT, WITHOUT ROWID;

-- What will be added to a semaphore when a process ends (SEM_UNDO).
CREATE TABLE sysv_sem_undo (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	process INTEGER NOT NULL,
	id INTEGER NOT NULL,
	semaphore INTEGER NOT NULL,
	adjustment INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, process, id, semaphore)
) STRICT, WITHOUT ROWID;

-- Message queues.
CREATE TABLE sysv_msg_queue (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	ipc_ns INTEGER NOT NULL,
	id INTEGER NOT NULL,		-- msqid
	key INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
	creator_uid INTEGER NOT NULL, creator_gid INTEGER NOT NULL, mode INTEGER NOT NULL,
	bytes_most INTEGER NOT NULL,	-- msg_qbytes
	PRIMARY KEY (snapshot_id, ipc_ns, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sysv_message (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	ipc_ns INTEGER NOT NULL,
	id INTEGER NOT NULL,
	place INTEGER NOT NULL,		-- in the queue
	type INTEGER NOT NULL,
	text BLOB NOT NULL,
	PRIMARY KEY (snapshot_id, ipc_ns, id, place)
) STRICT, WITHOUT ROWID;
-- Memory. A page's contents are never here: only where it is on the snapshot's volume.

-- Address spaces as a whole.
CREATE TABLE mm (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	mm INTEGER NOT NULL,			-- process whose address space it is (process.process)
	start_code INTEGER NOT NULL,		-- addresses as prctl(2) PR_SET_MM_MAP takes them
	end_code INTEGER NOT NULL,
	start_data INTEGER NOT NULL,
	end_data INTEGER NOT NULL,
	start_brk INTEGER NOT NULL,		-- where the heap begins
	brk INTEGER NOT NULL,			-- and ends
	start_stack INTEGER NOT NULL,
	arg_start INTEGER NOT NULL,		-- its command line
	arg_end INTEGER NOT NULL,
	env_start INTEGER NOT NULL,		-- its first environment
	env_end INTEGER NOT NULL,
	exe INTEGER NOT NULL,			-- its program (mapped_file.mapped_file)
	vdso TEXT NOT NULL,			-- build id of the kernel's vdso; a restore needs the same one
	coredump_filter INTEGER NOT NULL,	-- /proc/<pid>/coredump_filter
	thp_disabled INTEGER NOT NULL,		-- 1: prctl(PR_SET_THP_DISABLE)
	ksm INTEGER NOT NULL,			-- 1: prctl(PR_SET_MEMORY_MERGE)
	mdwe INTEGER NOT NULL,			-- prctl(PR_SET_MDWE)
	membarrier INTEGER NOT NULL,		-- MEMBARRIER_CMD_REGISTER_* bits
	lock_future INTEGER NOT NULL,		-- mlockall(2) flags for mappings to come
	PRIMARY KEY (snapshot_id, mm)
) STRICT, WITHOUT ROWID;

-- The auxiliary vector (getauxval(3)) each program was started with.
CREATE TABLE auxv (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	mm INTEGER NOT NULL,
	position INTEGER NOT NULL,
	type INTEGER NOT NULL,			-- AT_*
	value INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, mm, position)
) STRICT, WITHOUT ROWID;

-- Files that are mapped, and programs that run. Their contents are not part of a snapshot.
CREATE TABLE mapped_file (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	mapped_file INTEGER NOT NULL,		-- numbered from 0
	mount_ns INTEGER,			-- namespace the path belongs to (namespace.namespace); NULL: the host's
	path TEXT NOT NULL,
	dev_major INTEGER NOT NULL,		-- device and inode then, for audits
	dev_minor INTEGER NOT NULL,
	inode INTEGER NOT NULL,
	size INTEGER NOT NULL,			-- bytes
	mtime_ns INTEGER NOT NULL,		-- nanoseconds since 1970
	writable INTEGER NOT NULL,		-- 1: a shared mapping may be written to
	relied_on INTEGER NOT NULL,		-- 1: must be unchanged at restore (private mappings, programs)
	deleted_file INTEGER,			-- deleted_file.deleted_file; NULL: it had a name
	PRIMARY KEY (snapshot_id, mapped_file)
) STRICT, WITHOUT ROWID;

-- Mappings.
CREATE TABLE vma (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	mm INTEGER NOT NULL,			-- process whose address space it is in
	start INTEGER NOT NULL,			-- first address
	end INTEGER NOT NULL,			-- first address behind
	type TEXT NOT NULL,			-- anon, heap, stack, file, shmem, vdso, vvar
	prot TEXT NOT NULL,			-- what is allowed: rwx, - for what is not
	flags TEXT NOT NULL,			-- words: private or shared, maywrite, growsdown, noreserve, accounted, locked, onfault, droppable
	advice TEXT NOT NULL,			-- words for madvise(2): hugepage, dontfork, ...
	pgoff INTEGER NOT NULL,			-- bytes into its file or object
	mapped_file INTEGER,			-- file behind it
	shmem INTEGER,				-- shared memory object behind it
	name TEXT,				-- of anonymous memory (prctl PR_SET_VMA_ANON_NAME)
	PRIMARY KEY (snapshot_id, mm, start)
) STRICT, WITHOUT ROWID;

-- Where pages of an address space are: consecutive pages in consecutive slots.
CREATE TABLE swap_run (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	mm INTEGER NOT NULL,			-- process whose address space it is in
	vaddr INTEGER NOT NULL,			-- address of the first page
	nr_pages INTEGER NOT NULL,		-- pages of 4096 bytes
	slot INTEGER NOT NULL,			-- page number on the swap volume
	flags INTEGER NOT NULL,			-- bits: 1 zeroes (nothing on the volume), 2 of this process alone, 4 used lately
	PRIMARY KEY (snapshot_id, mm, vaddr)
) STRICT, WITHOUT ROWID;

-- Shared memory objects.
CREATE TABLE shmem (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	shmem INTEGER NOT NULL,			-- numbered from 0
	cgroup TEXT NOT NULL,			-- cgroup.cgroup: charged for it after a restore
	kind TEXT NOT NULL,			-- anon (MAP_SHARED|MAP_ANONYMOUS), memfd, sysv; file: contents of one
						-- that had no name (deleted_file)
	ipc_ns INTEGER,				-- sysv: its ipc namespace; NULL: the host's
	inode INTEGER NOT NULL,			-- inode number then; sysv: the segment's id
	size INTEGER NOT NULL,			-- bytes
	name TEXT,				-- memfd: its name
	mode INTEGER NOT NULL,			-- permission bits, owner and group (not for sysv, see sysv_shm)
	uid INTEGER NOT NULL,
	gid INTEGER NOT NULL,
	seals INTEGER NOT NULL,			-- memfd: F_SEAL_* bits
	PRIMARY KEY (snapshot_id, shmem)
) STRICT, WITHOUT ROWID;

-- Where pages of shared memory objects are.
CREATE TABLE shmem_run (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	shmem INTEGER NOT NULL,
	page INTEGER NOT NULL,			-- first page, counted from the object's beginning
	nr_pages INTEGER NOT NULL,
	slot INTEGER NOT NULL,
	flags INTEGER NOT NULL,			-- as in swap_run
	PRIMARY KEY (snapshot_id, shmem, page)
) STRICT, WITHOUT ROWID;

-- Open memfds.
CREATE TABLE memfd (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,			-- open file (file.file)
	shmem INTEGER NOT NULL,			-- the object behind it
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- ---- files -----------------------------------------------------------------

-- Open file descriptions (open(2)), however many descriptors refer to each.
CREATE TABLE file (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,		-- numbered from 0
	kind TEXT NOT NULL,		-- the table that has more about it
	flags INTEGER NOT NULL,		-- O_*, as F_GETFL gives them
	pos INTEGER NOT NULL,		-- offset
	mount_ns INTEGER,		-- namespace its path is in; NULL: the host's
	owner_type INTEGER,		-- F_SETOWN_EX: F_OWNER_*; NULL: none
	owner_pid INTEGER,
	owner_uid INTEGER,
	owner_euid INTEGER,
	owner_signal INTEGER NOT NULL,	-- F_SETSIG
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Descriptors.
CREATE TABLE fd (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	files INTEGER NOT NULL,		-- thread.files: whose table it is in
	fd INTEGER NOT NULL,
	file INTEGER NOT NULL,		-- file.file
	cloexec INTEGER NOT NULL,	-- 1: closed by exec
	PRIMARY KEY (snapshot_id, files, fd)
) STRICT, WITHOUT ROWID;

-- Locks of files. They are taken again by a process that has the file; if somebody else has them by then, the
-- restore fails.
CREATE TABLE file_lock (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	lock INTEGER NOT NULL,		-- numbered from 0
	file INTEGER NOT NULL,		-- file.file that it was taken through
	kind TEXT NOT NULL CHECK (kind IN (
		'flock',		-- flock(2): the open file's
		'posix',		-- fcntl F_SETLK: the process's
		'ofd',			-- fcntl F_OFD_SETLK: the open file's
		'lease')),		-- fcntl F_SETLEASE: the open file's
	process INTEGER NOT NULL,	-- that took it
	write INTEGER NOT NULL,		-- 1: exclusive, 0: shared
	start INTEGER NOT NULL,		-- first byte
	end INTEGER,			-- last byte; NULL: the end of the file, however far that is
	path TEXT NOT NULL,		-- of the file, as /proc/<pid>/fd showed it
	PRIMARY KEY (snapshot_id, lock)
) STRICT, WITHOUT ROWID;

-- Bytes that waited in pipes and sockets.
CREATE TABLE bytes (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	bytes INTEGER NOT NULL,		-- key of the queue
	part INTEGER NOT NULL,		-- a message or packet, or a piece of a stream
	data BLOB NOT NULL,
	PRIMARY KEY (snapshot_id, bytes, part)
) STRICT;

-- Files and directories without a name: unlinked, or made by O_TMPFILE. Their contents are in the snapshot.
CREATE TABLE deleted_file (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	deleted_file INTEGER NOT NULL,	-- numbered from 0
	format INTEGER NOT NULL,	-- S_IFREG, S_IFDIR
	mount_ns INTEGER,		-- namespace the directory's path is in; NULL: the host's
	directory TEXT NOT NULL,	-- it was in, or the next above that was still there: where it is made again
	dev_major INTEGER NOT NULL,	-- device and inode then, for audits
	dev_minor INTEGER NOT NULL,
	inode INTEGER NOT NULL,
	size INTEGER NOT NULL,		-- bytes
	mode INTEGER NOT NULL,		-- permission bits
	uid INTEGER NOT NULL,
	gid INTEGER NOT NULL,
	atime_ns INTEGER NOT NULL,
	mtime_ns INTEGER NOT NULL,
	shmem INTEGER,			-- its contents (shmem.shmem); NULL: none, all of it is a hole
	maker INTEGER,			-- file.file that O_TMPFILE made it through; NULL: none is left
	PRIMARY KEY (snapshot_id, deleted_file)
) STRICT, WITHOUT ROWID;

-- Regular files, by path; their contents are not part of a snapshot, unless they have no name.
CREATE TABLE regular (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	path TEXT NOT NULL,
	size INTEGER NOT NULL,
	mtime_ns INTEGER NOT NULL,
	inode INTEGER NOT NULL,		-- then; for audits
	deleted_file INTEGER,		-- deleted_file.deleted_file; NULL: it had a name
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Directory handles.
CREATE TABLE directory (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	path TEXT NOT NULL,
	deleted_file INTEGER,		-- deleted_file.deleted_file; NULL: it had a name
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- What was opened with O_PATH: a place in the file system, whatever is there.
CREATE TABLE path_handle (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	path TEXT NOT NULL,
	format INTEGER NOT NULL,	-- S_IF*
	deleted_file INTEGER,		-- deleted_file.deleted_file; NULL: it had a name
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Files and directories of procfs that are about a process of the container.
CREATE TABLE proc_file (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	mount TEXT NOT NULL,		-- path of the procfs
	pid_ns INTEGER,			-- that it shows (namespace.namespace); NULL: the host's
	process INTEGER NOT NULL,	-- whose it is
	in_task INTEGER NOT NULL,	-- 1: below task/ of its leading thread
	name TEXT NOT NULL,		-- below that; '': the directory itself
	format INTEGER NOT NULL,	-- S_IF*
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Devices without state of their own: null, zero, random...
CREATE TABLE device (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	path TEXT NOT NULL,
	major INTEGER NOT NULL,
	minor INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- POSIX message queues (mq_overview(7)): those of the container's ipc namespaces, and others that it has open.
CREATE TABLE mqueue (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	mqueue INTEGER NOT NULL,
	ipc_ns INTEGER,			-- NULL: the host's, where those with a name stay the host's
	name TEXT NOT NULL,		-- without the "/" that programs put before it
	unlinked INTEGER NOT NULL,	-- 1: its name was removed while it was open
	inode INTEGER NOT NULL,		-- at snapshot time, for audits
	uid INTEGER NOT NULL,
	gid INTEGER NOT NULL,
	mode INTEGER NOT NULL,
	messages_most INTEGER NOT NULL,	-- mq_maxmsg
	bytes_most INTEGER NOT NULL,	-- of a message: mq_msgsize
	PRIMARY KEY (snapshot_id, mqueue)
) STRICT, WITHOUT ROWID;

CREATE TABLE mqueue_message (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	mqueue INTEGER NOT NULL,	-- mqueue.mqueue
	place INTEGER NOT NULL,		-- from 0, in the order in which they are received
	priority INTEGER NOT NULL,
	text BLOB NOT NULL,
	PRIMARY KEY (snapshot_id, mqueue, place)
) STRICT, WITHOUT ROWID;

-- Open files of message queues.
CREATE TABLE mqueue_file (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	mqueue INTEGER NOT NULL,	-- mqueue.mqueue
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Pairs of pseudo terminals (pty(7)).
CREATE TABLE pty (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	pty INTEGER NOT NULL,		-- first file that is an end of it
	number INTEGER NOT NULL,	-- in its devpts: /dev/pts/<number>
	ptmx TEXT NOT NULL,		-- path that its master was opened by
	mount_ns INTEGER,		-- in that namespace; NULL: the host's
	master INTEGER,			-- file; NULL: closed, and what is left of the slave is hung up
	uid INTEGER NOT NULL,		-- of /dev/pts/<number>
	gid INTEGER NOT NULL,
	mode INTEGER NOT NULL,
	input_modes INTEGER NOT NULL,	-- struct termios2 from here
	output_modes INTEGER NOT NULL,
	control_modes INTEGER NOT NULL,
	local_modes INTEGER NOT NULL,
	input_speed INTEGER NOT NULL,
	output_speed INTEGER NOT NULL,
	line INTEGER NOT NULL,
	control_characters BLOB NOT NULL,	-- empty without a master
	rows INTEGER NOT NULL,		-- of its window (TIOCGWINSZ)
	columns INTEGER NOT NULL,
	width INTEGER NOT NULL,		-- of it in pixels
	height INTEGER NOT NULL,
	packets INTEGER NOT NULL,	-- 1: its master reads packets (TIOCPKT)
	locked INTEGER NOT NULL,	-- 1: the slave can't be opened (TIOCSPTLCK)
	exclusive INTEGER NOT NULL,	-- 1: the slave is open for no more users (TIOCEXCL)
	master_exclusive INTEGER NOT NULL,
	output INTEGER,			-- what waits for its master (bytes.bytes); NULL: nothing
	foreground INTEGER,		-- process group, by its leader; NULL: it is no controlling terminal
	PRIMARY KEY (snapshot_id, pty)
) STRICT, WITHOUT ROWID;

-- Open files of either end of a pseudo terminal.
CREATE TABLE pty_end (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	pty INTEGER NOT NULL,		-- pty.pty
	type INTEGER NOT NULL,		-- 0: the master, 1: a slave, 2: a slave that was opened as /dev/tty
	hung INTEGER NOT NULL,		-- 1: hung up, by the end of its master or vhangup(2)
	path TEXT,			-- NULL: a master, or hung up
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Processes that have a controlling terminal. Others of the same session have dropped it.
CREATE TABLE pty_process (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	process INTEGER NOT NULL,
	pty INTEGER NOT NULL,		-- pty.pty
	PRIMARY KEY (snapshot_id, process)
) STRICT, WITHOUT ROWID;

-- Lines that are being typed into a pseudo terminal in canonical mode, as far as they are.
CREATE TABLE pty_line (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	pty INTEGER NOT NULL,		-- pty.pty
	text BLOB NOT NULL,
	PRIMARY KEY (snapshot_id, pty)
) STRICT, WITHOUT ROWID;

-- What has its other end outside of the container, or came from there: who restores says what comes in its place.
CREATE TABLE outside (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	outside INTEGER NOT NULL,	-- numbered from 0
	name TEXT NOT NULL,		-- that options go by: 'pipe:12345', 'unix:/run/log.sock', 'tty:/dev/pts/3', 'mount:/data'
	kind TEXT NOT NULL CHECK (kind IN ('pipe', 'unix', 'tty', 'mount')),
	access INTEGER NOT NULL,	-- the container 1: reads, 2: writes, 3: does both
	otherwise TEXT,			-- socket to connect to if nothing is said; NULL: something has to be
	PRIMARY KEY (snapshot_id, outside)
) STRICT, WITHOUT ROWID;

-- Open files of these.
CREATE TABLE outside_file (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	outside INTEGER NOT NULL,	-- outside.outside
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Terminals whose other end is outside.
CREATE TABLE terminal (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	outside INTEGER NOT NULL,	-- outside.outside
	input_modes INTEGER NOT NULL,	-- struct termios2
	output_modes INTEGER NOT NULL,
	local_modes INTEGER NOT NULL,
	control_characters BLOB,	-- NULL: no file of it was open, its modes are unknown
	rows INTEGER NOT NULL,		-- of its window
	columns INTEGER NOT NULL,
	foreground INTEGER,		-- process that leads its foreground group; NULL: none of the container
	PRIMARY KEY (snapshot_id, outside)
) STRICT, WITHOUT ROWID;

-- Processes whose controlling terminal is one of these.
CREATE TABLE terminal_process (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	process INTEGER NOT NULL,
	outside INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, process)
) STRICT, WITHOUT ROWID;

-- Ends of pipes and fifos.
CREATE TABLE pipe (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	queue INTEGER NOT NULL,		-- pipe_queue.queue: the pipe it is an end of
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Pipes and fifos.
CREATE TABLE pipe_queue (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	queue INTEGER NOT NULL,		-- first file that is an end of it
	path TEXT,			-- of a fifo; NULL: a pipe
	size INTEGER NOT NULL,		-- F_GETPIPE_SZ
	packets INTEGER NOT NULL,	-- 1: waits as packets (O_DIRECT)
	uid INTEGER NOT NULL,		-- whom /proc/<pid>/fd lets open it anew
	gid INTEGER NOT NULL,
	mode INTEGER NOT NULL,
	bytes INTEGER,			-- what waits in it (bytes.bytes); NULL: nothing
	PRIMARY KEY (snapshot_id, queue)
) STRICT, WITHOUT ROWID;

-- Event counters (eventfd(2)).
CREATE TABLE eventfd (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	count INTEGER NOT NULL,		-- 64 bits; the highest as the sign
	semaphore INTEGER NOT NULL,	-- 1: EFD_SEMAPHORE
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Inotify instances (inotify(7)) and their watches.
CREATE TABLE inotify (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	watches INTEGER NOT NULL,	-- how many rows of inotify_watch
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

CREATE TABLE inotify_watch (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	inotify INTEGER NOT NULL,	-- file number of the instance
	wd INTEGER NOT NULL,		-- its number, in events
	mask INTEGER NOT NULL,		-- IN_*
	path TEXT NOT NULL,		-- of what is watched; symbolic links are not followed
	PRIMARY KEY (snapshot_id, inotify, wd)
) STRICT, WITHOUT ROWID;

-- Pidfds (pidfd_open(2)).
CREATE TABLE pidfd (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	thread INTEGER,			-- or process that it leads; NULL: it has ended, and was waited for
	ended INTEGER,			-- first file that refers to the same ended process; NULL: it has not
	pid_ns INTEGER,			-- of a process that has the file; NULL: the host's
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Timers behind descriptors (timerfd_create(2)).
CREATE TABLE timerfd (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	clock INTEGER NOT NULL,		-- CLOCK_*
	flags INTEGER NOT NULL,		-- TFD_TIMER_* of the last timerfd_settime()
	ticks INTEGER NOT NULL,		-- expirations not read yet
	value_ns INTEGER NOT NULL,	-- until the next one; 0: gone off if periodic with ticks, else not armed
	interval_ns INTEGER NOT NULL,
	expires_ns INTEGER,		-- when, on the host's clock, if it was set to a time on it; NULL: value_ns counts
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Signals behind descriptors (signalfd(2)).
CREATE TABLE signalfd (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	mask INTEGER NOT NULL,		-- bit n - 1: signal n
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Unix sockets.
CREATE TABLE unix_socket (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	type INTEGER NOT NULL,		-- SOCK_*
	peer INTEGER,			-- file that it is connected to; NULL: none
	peer_gone INTEGER NOT NULL,	-- 1: the other end is closed; 2: with bytes never read; 3: outside_file has it
	gone_path TEXT,			-- name of the closed end; NULL: none in the file system
	gone_abstract BLOB,		-- ... in the abstract namespace
	backlog INTEGER,			-- of a listening one; else NULL
	accepted INTEGER NOT NULL,	-- 1: named by the socket that accepted it
	pending INTEGER,		-- file of the listening socket that has yet to accept it; NULL: none
	turn INTEGER NOT NULL,		-- from 0: when its turn to be accepted comes
	path TEXT,			-- bound to; NULL: not in the file system
	directory TEXT,			-- that a relative path starts from
	moved TEXT,			-- where its file was moved to since; NULL: nowhere
	mode INTEGER,			-- of the file; NULL: there is none
	uid INTEGER,
	gid INTEGER,
	abstract BLOB,			-- name in the abstract namespace; NULL: none
	owner_uid INTEGER NOT NULL,	-- of the socket itself
	owner_gid INTEGER NOT NULL,
	shutdown INTEGER NOT NULL,	-- 1: receiving, 2: sending, 3: both
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- What waits in unix sockets: datagrams and packets, and of streams runs of bytes from one sender.
CREATE TABLE unix_message (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,		-- the socket
	message INTEGER NOT NULL,	-- from 0, in the order they came
	data BLOB NOT NULL,
	from_path TEXT,			-- name of a datagram's sender; NULL: none in the file system
	from_abstract BLOB,		-- ... in the abstract namespace
	process INTEGER,		-- the sender, as SCM_CREDENTIALS tells it; NULL: nobody asked for it
	uid INTEGER,
	gid INTEGER,
	PRIMARY KEY (snapshot_id, file, message)
) STRICT;

-- Descriptors in flight (SCM_RIGHTS); they come with the first byte of their message.
CREATE TABLE unix_right (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,		-- the socket that they are in flight to
	message INTEGER NOT NULL,
	number INTEGER NOT NULL,	-- from 0
	sent INTEGER NOT NULL,		-- the file in flight; it may be in no descriptor
	PRIMARY KEY (snapshot_id, file, message, number)
) STRICT, WITHOUT ROWID;

-- Socket options that are not the default.
CREATE TABLE socket_option (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	name TEXT NOT NULL,		-- SO_*, TCP_*, IP_*...
	value INTEGER NOT NULL,
	text TEXT,			-- of those that are a string, an interface or an address
	PRIMARY KEY (snapshot_id, file, name)
) STRICT, WITHOUT ROWID;

-- Packet filters of sockets (SO_ATTACH_FILTER).
CREATE TABLE socket_filter (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	program BLOB,			-- instructions of classic BPF; NULL: none
	locked INTEGER NOT NULL,	-- 1: it can't be changed any more
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Multicast groups that sockets are in.
CREATE TABLE socket_group (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	interface TEXT NOT NULL,
	address TEXT NOT NULL,
	exclude INTEGER NOT NULL,	-- 1: from all but the sources listed, 0: from these alone
	PRIMARY KEY (snapshot_id, file, interface, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE socket_source (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	interface TEXT NOT NULL,
	address TEXT NOT NULL,		-- of the group
	source TEXT NOT NULL,
	PRIMARY KEY (snapshot_id, file, interface, address, source)
) STRICT, WITHOUT ROWID;

-- TCP sockets that listen, are bound, or are fresh.
CREATE TABLE tcp_socket (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	family INTEGER NOT NULL,		-- 4 or 6
	address TEXT,			-- bound to; NULL: not bound
	port INTEGER NOT NULL,
	scope INTEGER NOT NULL,		-- of a link-local address
	backlog INTEGER,			-- NULL: does not listen
	uid INTEGER NOT NULL,		-- owner
	gid INTEGER NOT NULL,
	shutdown INTEGER NOT NULL,	-- 1: both ways, as when its connection has ended
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- UDP sockets.
CREATE TABLE udp_socket (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	family INTEGER NOT NULL,		-- 4 or 6
	address TEXT,			-- bound to; NULL: not bound
	port INTEGER NOT NULL,
	scope INTEGER NOT NULL,
	peer_address TEXT,		-- connected to; NULL: not connected
	peer_port INTEGER NOT NULL,
	peer_scope INTEGER NOT NULL,
	uid INTEGER NOT NULL,		-- owner
	gid INTEGER NOT NULL,
	shutdown INTEGER NOT NULL,	-- 1: receiving, 3: both
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Datagrams that waited in UDP sockets, if their machine sent them to itself.
CREATE TABLE udp_message (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,		-- the socket
	message INTEGER NOT NULL,	-- from 0, in the order they came
	data BLOB NOT NULL,
	source TEXT NOT NULL,		-- address of the sender
	destination TEXT NOT NULL,	-- address it was sent to
	source_port INTEGER NOT NULL,
	ttl INTEGER NOT NULL,		-- of the packet; hop limit of IPv6
	tos INTEGER NOT NULL,		-- ... type of service; traffic class of IPv6
	PRIMARY KEY (snapshot_id, file, message)
) STRICT;

-- Raw sockets of IPv4 and IPv6, and those for ping alone.
CREATE TABLE raw_socket (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	family INTEGER NOT NULL,		-- 4 or 6
	type INTEGER NOT NULL,		-- SOCK_RAW; SOCK_DGRAM: for ping
	protocol INTEGER NOT NULL,	-- IPPROTO_*
	address TEXT,			-- bound to; NULL: not bound
	port INTEGER NOT NULL,		-- of those for ping: the identifier
	scope INTEGER NOT NULL,
	peer_address TEXT,		-- connected to; NULL: not connected
	peer_port INTEGER NOT NULL,
	peer_scope INTEGER NOT NULL,
	filter BLOB,			-- of ICMP: types not to be received, a bit each; NULL: all are
	checksum INTEGER NOT NULL,	-- IPV6_CHECKSUM: where the kernel puts it; -1: nowhere
	uid INTEGER NOT NULL,		-- owner
	gid INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Netlink sockets.
CREATE TABLE netlink_socket (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	type INTEGER NOT NULL,		-- SOCK_RAW or SOCK_DGRAM
	protocol INTEGER NOT NULL,	-- NETLINK_*
	port INTEGER NOT NULL,		-- its address; 0: not bound
	peer INTEGER NOT NULL,		-- address that it is connected to; 0: the kernel
	peer_groups INTEGER NOT NULL,
	memberships BLOB,		-- groups that it is in, a bit each in numbers of 32; NULL: none
	uid INTEGER NOT NULL,		-- owner
	gid INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- Packet sockets.
CREATE TABLE packet_socket (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	type INTEGER NOT NULL,		-- SOCK_RAW, or SOCK_DGRAM: without link layer headers
	protocol INTEGER NOT NULL,	-- ETH_P_*; 0: receives nothing
	interface TEXT,			-- bound to; NULL: all
	uid INTEGER NOT NULL,		-- owner
	gid INTEGER NOT NULL,
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- What else packet sockets want to receive of an interface.
CREATE TABLE packet_membership (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	membership INTEGER NOT NULL,	-- from 0
	interface TEXT NOT NULL,
	type INTEGER NOT NULL,		-- PACKET_MR_*
	address BLOB NOT NULL,		-- of the link layer
	PRIMARY KEY (snapshot_id, file, membership)
) STRICT, WITHOUT ROWID;

-- Epoll instances.
CREATE TABLE epoll (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	file INTEGER NOT NULL,
	watches INTEGER NOT NULL,	-- rows of epoll_watch
	PRIMARY KEY (snapshot_id, file)
) STRICT, WITHOUT ROWID;

-- What they watch.
CREATE TABLE epoll_watch (
	snapshot_id TEXT NOT NULL REFERENCES snapshot(id) ON DELETE CASCADE,
	epoll INTEGER NOT NULL,		-- epoll.file
	watch INTEGER NOT NULL,		-- from 0
	fd INTEGER NOT NULL,		-- number it was added under
	file INTEGER NOT NULL,		-- file watched
	events INTEGER NOT NULL,		-- EPOLL*
	data INTEGER NOT NULL,		-- the program's own 64 bits
	PRIMARY KEY (snapshot_id, epoll, watch)
) STRICT, WITHOUT ROWID;


-- ---- audits ------------------------------------------------------------------

-- What snapshots cost.
CREATE VIEW snapshot_cost AS
SELECT id, parent, cgroup, pages * 4096 AS memory_bytes, pages_written * 4096 AS written_bytes, runs,
	catalog_bytes, round(frozen_ns / 1e6, 1) AS frozen_ms, round(total_ns / 1e6, 1) AS total_ms
FROM snapshot;

-- The process tree of each snapshot, children indented below their parents, with ids from the host's
-- pid namespace inwards.
CREATE VIEW process_tree AS
WITH RECURSIVE node (snapshot_id, process, comm, depth, path) AS (
	SELECT snapshot_id, process, comm, 0, format('%08d', process) FROM process WHERE parent IS NULL
	UNION ALL
	SELECT p.snapshot_id, p.process, p.comm, n.depth + 1, n.path || format('/%08d', p.process)
	FROM process p JOIN node n ON p.snapshot_id = n.snapshot_id AND p.parent = n.process
)
SELECT snapshot_id, substr('                                ', 1, depth * 2) || comm AS tree,
	(SELECT group_concat(pid, '/') FROM (
		SELECT pid FROM pid WHERE pid.snapshot_id = node.snapshot_id AND thread = node.process ORDER BY level)
	) AS pids,
	(SELECT count(*) FROM thread t WHERE t.snapshot_id = node.snapshot_id AND t.process = node.process) AS threads,
	process, depth
FROM node ORDER BY snapshot_id, path;

-- Memory of each process on the snapshot's volume.
CREATE VIEW process_memory AS
SELECT p.snapshot_id, p.process, p.comm, coalesce(sum(r.nr_pages), 0) * 4096 AS bytes, count(r.mm) AS runs
FROM process p LEFT JOIN swap_run r ON r.snapshot_id = p.snapshot_id AND r.mm = p.process
GROUP BY p.snapshot_id, p.process;

-- Which processes name the same slots: copy-on-write memory that fork left them with.
CREATE VIEW shared_slots AS
SELECT a.snapshot_id, a.mm AS process, b.mm AS other,
	sum(min(a.slot + a.nr_pages, b.slot + b.nr_pages) - max(a.slot, b.slot)) AS pages
FROM swap_run a JOIN swap_run b ON b.snapshot_id = a.snapshot_id AND b.mm > a.mm
	AND b.slot < a.slot + a.nr_pages AND a.slot < b.slot + b.nr_pages
GROUP BY a.snapshot_id, a.mm, b.mm;

-- How much of each process's memory moved to new slots since the parent snapshot: what changed.
CREATE VIEW changed_memory AS
SELECT s.id AS snapshot_id, s.parent, p.process, p.comm,
	(SELECT coalesce(sum(nr_pages), 0) FROM swap_run r WHERE r.snapshot_id = s.id AND r.mm = p.process) AS pages,
	(SELECT coalesce(sum(nr_pages), 0) FROM swap_run r WHERE r.snapshot_id = s.id AND r.mm = p.process) -
	(SELECT coalesce(sum(min(n.vaddr + n.nr_pages * 4096, o.vaddr + o.nr_pages * 4096) -
			     max(n.vaddr, o.vaddr)), 0) / 4096
	 FROM swap_run n JOIN swap_run o ON o.snapshot_id = s.parent AND o.mm = n.mm
		AND o.vaddr < n.vaddr + n.nr_pages * 4096 AND n.vaddr < o.vaddr + o.nr_pages * 4096
		AND o.slot - o.vaddr / 4096 = n.slot - n.vaddr / 4096
	 WHERE n.snapshot_id = s.id AND n.mm = p.process) AS changed_pages
FROM snapshot s JOIN process p ON p.snapshot_id = s.id WHERE s.parent IS NOT NULL;

-- What was derived from each snapshot: later snapshots and containers that run now.
CREATE VIEW dependency AS
SELECT parent AS snapshot_id, 'snapshot' AS kind, id AS dependent FROM snapshot WHERE parent IS NOT NULL
UNION ALL
SELECT parent_snapshot, 'container', cgroup FROM pin WHERE parent_snapshot IS NOT NULL;

-- Every descriptor of every process (and of threads that have tables of their own) and what it refers to.
CREATE VIEW open_file AS
SELECT p.snapshot_id, p.process, t.comm, d.fd, f.kind, coalesce(r.path, c.path, v.path, h.path, m.name, '') AS what, f.pos,
	f.file
FROM process p
JOIN thread t ON t.snapshot_id = p.snapshot_id AND t.process = p.process
	AND (t.thread = p.process OR (t.files = t.thread AND t.files <> p.process))
JOIN fd d ON d.snapshot_id = p.snapshot_id AND d.files = t.files
JOIN file f ON f.snapshot_id = p.snapshot_id AND f.file = d.file
LEFT JOIN regular r ON r.snapshot_id = p.snapshot_id AND r.file = f.file
LEFT JOIN directory c ON c.snapshot_id = p.snapshot_id AND c.file = f.file
LEFT JOIN device v ON v.snapshot_id = p.snapshot_id AND v.file = f.file
LEFT JOIN path_handle h ON h.snapshot_id = p.snapshot_id AND h.file = f.file
LEFT JOIN proc_file m ON m.snapshot_id = p.snapshot_id AND m.file = f.file;
