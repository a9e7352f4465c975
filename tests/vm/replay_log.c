// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a disk had on it when the power went: reads the log that the
 * device-mapper target log-writes has made of all writes to it. Its format is
 * described in drivers/md/dm-log-writes.c. What was not flushed is not in the
 * log yet: a write comes in it with the next flush, in the order in which they were
 * complete, or at once with FUA. So between two flushes it is the least that a
 * disk has, and it may have any of the writes that come next, too.
 *
 *	replay_log list LOG
 *		Lines "mark TEXT" as `dmsetup message ... mark TEXT` made them, and
 *		"cut N" where power may be cut: the first N entries are on the disk. A
 *		mark comes before all cuts that it was made before.
 *	replay_log write LOG DISK FROM TO [SEED]
 *		Do to DISK what entries FROM to TO-1 did. With a seed only some of it:
 *		each 4 KiB by chance.
 */
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC 0x6a736677736872u
#define PIECE 4096u	/* what no disk writes half */

enum { FLUSH = 1, FUA = 2, DISCARD = 4, MARK = 8 };

struct log {
	int fd;
	uint64_t nr_entries;
	uint64_t sector_bytes;
};

struct entry {
	uint64_t sector, nr_sectors, flags, data_len;	/* little endian in the log */
	char text[480];		/* of a mark, as far as there is room in a sector of 512 */
};

static void read_at(const struct log *log, void *to, size_t len, uint64_t at)
{
	ssize_t n = pread(log->fd, to, len, (off_t)at);

	if (n < 0)
		err(1, "read the log at %ju", (uintmax_t)at);
	if ((size_t)n != len)
		errx(1, "the log ends at %ju", (uintmax_t)at);
}

static struct log open_log(const char *path)
{
	struct log log = { .fd = open(path, O_RDONLY | O_CLOEXEC) };
	struct {
		uint64_t magic, version, nr_entries;
		uint32_t sector_bytes;
	} super;

	if (log.fd < 0)
		err(1, "%s", path);
	read_at(&log, &super, sizeof(super), 0);
	if (le64toh(super.magic) != MAGIC || le64toh(super.version) != 1)
		errx(1, "%s is not a log of log-writes", path);
	log.nr_entries = le64toh(super.nr_entries);
	log.sector_bytes = le32toh(super.sector_bytes);
	return log;
}

/* Each entry is a sector of its own, the data follows. Returns where that begins, and moves @at to the next entry. */
static uint64_t read_entry(const struct log *log, uint64_t *at, struct entry *ret)
{
	uint64_t data = *at + log->sector_bytes;

	read_at(log, ret, sizeof(*ret), *at);
	ret->sector = le64toh(ret->sector);
	ret->nr_sectors = le64toh(ret->nr_sectors);
	ret->flags = le64toh(ret->flags);
	ret->data_len = le64toh(ret->data_len);
	if (ret->flags & MARK && ret->data_len >= sizeof(ret->text))
		errx(1, "a mark of %ju bytes", (uintmax_t)ret->data_len);
	*at = data + (ret->flags & DISCARD ? 0 : ret->nr_sectors * log->sector_bytes);
	return data;
}

/* A cut is as late as it can be: when the next write has not yet come, but what says that things are done has. */
static void list(const struct log *log)
{
	uint64_t at = log->sector_bytes;
	bool written = false, flushed = false;

	for (uint64_t i = 0; i < log->nr_entries; i++) {
		struct entry e;

		read_entry(log, &at, &e);
		if (e.nr_sectors && written && flushed) {
			printf("cut %ju\n", (uintmax_t)i);
			written = false;
			flushed = false;
		}
		written = written || e.nr_sectors;
		flushed = flushed || e.flags & (FLUSH | FUA);
		if (e.flags & MARK)
			printf("mark %.*s\n", (int)e.data_len, e.text);
	}
	if (written)
		printf("cut %ju\n", (uintmax_t)log->nr_entries);
}

/* ---- writing ------------------------------------------------------------------ */

static uint64_t chance;		/* 0: all is written */

/* xorshift64 */
static bool happens(void)
{
	if (!chance)
		return true;
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return chance >> 40 & 1;
}

static void replay(const struct log *log, int disk, const struct entry *e, uint64_t data)
{
	uint64_t begin = e->sector * log->sector_bytes, end = begin + e->nr_sectors * log->sector_bytes, len;
	char piece[PIECE] = "";

	for (uint64_t to = begin; to < end; to += len) {
		len = PIECE - to % PIECE;
		len = end - to < len ? end - to : len;
		if (!happens())
			continue;
		if (!(e->flags & DISCARD))
			read_at(log, piece, len, data + (to - begin));
		if (pwrite(disk, piece, len, (off_t)to) != (ssize_t)len)
			err(1, "write to the disk at %ju", (uintmax_t)to);
	}
}

static void replay_some(const struct log *log, const char *path, uint64_t from, uint64_t to)
{
	int disk = open(path, O_WRONLY | O_CLOEXEC);
	uint64_t at = log->sector_bytes;

	if (disk < 0)
		err(1, "%s", path);
	if (to > log->nr_entries)
		errx(1, "the log has %ju entries", (uintmax_t)log->nr_entries);
	for (uint64_t i = 0; i < to; i++) {
		struct entry e;
		uint64_t data = read_entry(log, &at, &e);

		if (i >= from)
			replay(log, disk, &e, data);
	}
	if (fsync(disk) < 0)
		err(1, "flush %s", path);
}

int main(int argc, char **argv)
{
	struct log log;

	if (argc == 3 && strcmp(argv[1], "list") == 0) {
		log = open_log(argv[2]);
		list(&log);
	} else if ((argc == 6 || argc == 7) && strcmp(argv[1], "write") == 0) {
		log = open_log(argv[2]);
		chance = argc == 7 ? strtoull(argv[6], NULL, 10) * 0x9e3779b97f4a7c15u | 1 : 0;
		replay_some(&log, argv[3], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
	} else {
		errx(2, "usage: replay_log list LOG | replay_log write LOG DISK FROM TO [SEED]");
	}
	return 0;
}
