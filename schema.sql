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

-- Containers that are bound to a swap volume now.
CREATE TABLE pin (
	cgroup TEXT NOT NULL PRIMARY KEY,	-- path below the cgroup2 mount
	thin_id INTEGER NOT NULL UNIQUE REFERENCES volume (thin_id) ON DELETE CASCADE,
	-- what the volume's contents derive from: the last snapshot taken, or the restored one
	parent_snapshot TEXT REFERENCES snapshot (id) ON DELETE SET NULL,
	boot_id TEXT NOT NULL		-- /proc/sys/kernel/random/boot_id: a pin does not outlive its boot
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
