// SPDX-License-Identifier: GPL-2.0-only
/* Files without a name that are open keep contents, holes, identity, owner, mode and times. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

#define BIG (1L << 40)
#define BEGINNING 300001	/* ends within a page */
#define ISLAND (5L << 30)

static char byte_at(off_t at)
{
	return (char)(at * 7 + at / 4096 * 13 + 1);
}

static void write_pattern(int fd, off_t at, size_t len)
{
	char buf[4096];

	for (size_t done = 0; done < len; done += sizeof(buf)) {
		size_t n = len - done < sizeof(buf) ? len - done : sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = byte_at(at + (off_t)(done + i));
		live_check(pwrite(fd, buf, n, at + (off_t)done) == (ssize_t)n);
	}
}

static void check_pattern(int fd, off_t at, size_t len)
{
	char buf[4096];

	for (size_t done = 0; done < len; done += sizeof(buf)) {
		size_t n = len - done < sizeof(buf) ? len - done : sizeof(buf);

		live_check(pread(fd, buf, n, at + (off_t)done) == (ssize_t)n);
		for (size_t i = 0; i < n; i++)
			live_check(buf[i] == byte_at(at + (off_t)(done + i)));
	}
}

static void check_zero(int fd, off_t at, size_t len)
{
	char buf[4096];

	live_check(len <= sizeof(buf) && pread(fd, buf, len, at) == (ssize_t)len);
	for (size_t i = 0; i < len; i++)
		live_check(buf[i] == 0);
}

static struct stat stat_of(int fd)
{
	struct stat st;

	live_check(fstat(fd, &st) == 0);
	return st;
}

static int deleted(const char *name, int flags)
{
	int fd = open(live_path(name), flags | O_CREAT, 0600);

	live_check(fd >= 0 && unlink(live_path(name)) == 0);
	return fd;
}

int main(int argc, char **argv)
{
	struct timespec times[2] = { { 1000000000, 123456789 }, { 1111111111, 987654321 } };
	int sparse, reader, twin, empty, replaced, renamed, tmpfile, other, memory;
	struct stat st, st2;
	char buf[64], path[32];

	live_setup(argc, argv);
	sparse = open(live_path("sparse"), O_RDWR | O_CREAT, 0600);
	reader = open(live_path("sparse"), O_RDONLY);
	twin = dup(reader);
	live_check(sparse >= 0 && reader >= 0 && twin >= 0 && unlink(live_path("sparse")) == 0);
	write_pattern(sparse, 0, BEGINNING);
	write_pattern(sparse, ISLAND + 100, 10000);
	live_check(ftruncate(sparse, BIG) == 0 && lseek(sparse, 17, SEEK_SET) == 17 && lseek(twin, 4000, SEEK_SET) == 4000);
	live_check(flock(sparse, LOCK_EX) == 0);
	empty = deleted("empty", O_RDWR | O_APPEND);
	/* As editors do it: what was open is not what is there now. */
	replaced = open(live_path("replaced"), O_RDWR | O_CREAT, 0600);
	live_check(replaced >= 0 && write(replaced, "old", 3) == 3);
	other = open(live_path("replacement"), O_RDWR | O_CREAT, 0600);
	live_check(other >= 0 && write(other, "new", 3) == 3 && close(other) == 0);
	live_check(rename(live_path("replacement"), live_path("replaced")) == 0);
	renamed = open(live_path("before"), O_RDWR | O_CREAT, 0600);
	live_check(renamed >= 0 && write(renamed, "moved", 5) == 5 && rename(live_path("before"), live_path("after")) == 0);
	tmpfile = open(live_path("."), O_TMPFILE | O_WRONLY, 0640);
	live_check(tmpfile >= 0 && write(tmpfile, "temporary", 9) == 9);
	memory = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
	if (memory >= 0)
		write_pattern(memory, 0, 50000);
	live_check(fchmod(sparse, 02745) == 0 && fchown(sparse, 1234, 4321) == 0 && fchmod(sparse, 02745) == 0);
	live_check(futimens(sparse, times) == 0);
	live_ready();

	st = stat_of(sparse);
	live_check(st.st_nlink == 0 && st.st_size == BIG && st.st_blocks < 4000);
	live_check(st.st_mode == (S_IFREG | 02745) && st.st_uid == 1234 && st.st_gid == 4321);
	live_check(st.st_mtim.tv_sec == 1111111111 && st.st_mtim.tv_nsec == 987654321);
	live_check(lseek(sparse, 0, SEEK_CUR) == 17 && lseek(reader, 0, SEEK_CUR) == 4000);
	check_pattern(sparse, 0, BEGINNING);
	check_zero(sparse, BEGINNING, 4096);
	check_zero(sparse, ISLAND - 4000, 4096);
	check_pattern(reader, ISLAND + 100, 10000);
	check_zero(reader, ISLAND + 10100, 4096);
	check_zero(reader, BIG - 4096, 4096);
	/* One file, two open files, of which one has two descriptors. */
	st2 = stat_of(reader);
	live_check(st.st_ino == st2.st_ino && st.st_dev == st2.st_dev);
	live_check(pwrite(sparse, "shared", 6, BIG / 2) == 6 && pread(reader, buf, 6, BIG / 2) == 6);
	live_check(memcmp(buf, "shared", 6) == 0 && write(reader, "x", 1) < 0 && errno == EBADF);
	live_check(lseek(twin, 1, SEEK_SET) == 1 && lseek(reader, 0, SEEK_CUR) == 1);
	live_check(flock(reader, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	/* As it was for whoever is first to look. */
	live_check(pwrite(sparse, "\0\0\0\0\0\0", 6, BIG / 2) == 6 && futimens(sparse, times) == 0);
	live_check(lseek(sparse, 17, SEEK_SET) == 17 && lseek(twin, 4000, SEEK_SET) == 4000);

	st = stat_of(empty);
	live_check(st.st_nlink == 0 && st.st_size == 0 && (fcntl(empty, F_GETFL) & O_APPEND));
	live_check(write(empty, "12", 2) == 2 && pread(empty, buf, 2, 0) == 2 && memcmp(buf, "12", 2) == 0);
	live_check(linkat(empty, "", AT_FDCWD, live_path("name"), AT_EMPTY_PATH) < 0 && errno == ENOENT);
	live_check(ftruncate(empty, 0) == 0);

	live_check(stat_of(replaced).st_nlink == 0 && pread(replaced, buf, 9, 0) == 3 && memcmp(buf, "old", 3) == 0);
	other = open(live_path("replaced"), O_RDONLY);
	live_check(other >= 0 && read(other, buf, 9) == 3 && memcmp(buf, "new", 3) == 0);
	live_check(stat(live_path("after"), &st) == 0 && st.st_ino == stat_of(renamed).st_ino);
	live_check(access(live_path("before"), F_OK) < 0);

	live_check((fcntl(tmpfile, F_GETFL) & (O_TMPFILE | O_ACCMODE)) == (O_TMPFILE | O_WRONLY));
	live_check(lseek(tmpfile, 0, SEEK_CUR) == 9 && (stat_of(tmpfile).st_mode & 07777) == 0640);
	unlink(live_path("linked"));
	/* By its descriptor alone takes power over the user namespace of who opened it. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", tmpfile);
	live_check(linkat(AT_FDCWD, path, AT_FDCWD, live_path("linked"), AT_SYMLINK_FOLLOW) == 0);
	live_check(stat_of(tmpfile).st_nlink == 1);
	other = open(live_path("linked"), O_RDONLY);
	live_check(other >= 0 && read(other, buf, sizeof(buf)) == 9 && memcmp(buf, "temporary", 9) == 0);
	if (memory >= 0)
		check_pattern(memory, 0, 50000);
	live_pass();
}
