// SPDX-License-Identifier: GPL-2.0-only
/*
 * Swap areas, see swap.h. The header is union swap_header of
 * include/linux/swap.h, version 1: the first page of the area.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include "base/util.h"
#include "store/swap.h"

/* cpt's kernel series; host/uapi.h has them too, but store and host don't know each other. */
#ifndef SWAP_FLAG_PRIVATE
#define SWAP_FLAG_PRIVATE 0x80000
#define SWAP_FLAG_CLAIM 0x100000
#endif
#ifndef SWAP_FLAG_DISCARD_PAGES
#define SWAP_FLAG_DISCARD_PAGES 0x40000	/* include/linux/swap.h */
#endif

struct swap_header {
	char boot[1024];
	uint32_t version;
	uint32_t last_page;
	uint32_t nr_badpages;
	uint8_t uuid[16];
	char label[16];
	char rest[PAGE_SIZE - 1024 - 3 * 4 - 2 * 16 - 10];
	char magic[10];
};
_Static_assert(sizeof(struct swap_header) == PAGE_SIZE, "the header is one page");

static void random_uuid(uint8_t uuid[16])
{
	if (getrandom(uuid, 16, 0) != 16)
		memset(uuid, 0, 16);
	uuid[6] = (uuid[6] & 0x0f) | 0x40;	/* RFC 4122, version 4 */
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

int swap_format(const char *path, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC);
	struct swap_header header = { .version = 1, .label = "cpt", .magic = "SWAPSPACE2" };
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size < 0)
		return err_sys(e, "open %s", path);
	if (size < (off_t)(10 * PAGE_SIZE) || size / (off_t)PAGE_SIZE > UINT32_MAX)
		return err_set(e, -EINVAL, "%s can't be a swap area: it has %jd bytes", path, (intmax_t)size);
	header.last_page = (uint32_t)(size / (off_t)PAGE_SIZE - 1);
	random_uuid(header.uuid);
	if (pwrite(fd, &header, sizeof(header), 0) != sizeof(header) || fsync(fd) < 0)
		return err_sys(e, "write the swap header of %s", path);
	return 0;
}

int swap_on(const char *path, bool claim, struct err *e)
{
	/*
	 * Only _PAGES: without a policy, swapon would discard the whole area
	 * first, a clone's contents too. Slots freed by the container give
	 * their blocks back to the pool, cluster by cluster.
	 */
	int flags = SWAP_FLAG_PRIVATE | SWAP_FLAG_DISCARD | SWAP_FLAG_DISCARD_PAGES | (claim ? SWAP_FLAG_CLAIM : 0);

	if (swapon(path, flags) == 0)
		return 0;
	err_sys(e, "swapon %s", path);
	if (e->code == -EINVAL)
		err_advise(e, "this kernel has no private swap areas: boot one with cpt's series; `cpt doctor` shows what is missing");
	else if (e->code == -EPERM)
		err_advise(e, "the kernel has all the swap areas it can have (or cpt lacks CAP_SYS_ADMIN): unpin containers that do not need theirs");
	return e->code;
}

int swap_off(const char *path, struct err *e)
{
	if (swapoff(path) == 0 || errno == EINVAL || errno == ENOENT)
		return 0;	/* EINVAL: it is not on */
	err_sys(e, "swapoff %s", path);
	if (e->code == -ENOMEM)
		err_advise(e, "what it holds does not fit into memory: end some of the container's tasks first");
	else if (e->code == -EBUSY)
		err_advise(e, "a container is still bound to it: `cpt unpin` it first");
	return e->code;
}

/* The file name of a line of /proc/swaps: blanks are \040 there. Cut off and unescaped in place. */
static char *parse_name(char *line)
{
	char *to = line, *from = line;
	unsigned int code;

	while (*from && *from != ' ' && *from != '\t') {
		if (*from == '\\' && sscanf(from + 1, "%3o", &code) == 1) {
			*to++ = (char)code;
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	from += strspn(from, " \t");
	memmove(line + (to - line) + 1, from, strlen(from) + 1);
	*to = 0;
	return to + 1;
}

static bool same_device(const struct stat *a, const char *path)
{
	struct stat b;

	return stat(path, &b) == 0 && S_ISBLK(b.st_mode) && a->st_rdev == b.st_rdev;
}

int swap_used(const char *path, uint64_t *ret_bytes, struct err *e)
{
	_cleanup_file_ FILE *f = fopen("/proc/swaps", "re");
	char line[4096 + 256];
	struct stat st;

	if (!f || stat(path, &st) < 0)
		return err_sys(e, "read the state of swap area %s", path);
	while (fgets(line, sizeof(line), f)) {
		char *rest = parse_name(line);
		uint64_t size, used;

		if (same_device(&st, line) && sscanf(rest, "%*s %lu %lu", &size, &used) == 2) {
			*ret_bytes = used * 1024;	/* swap_show() prints KiB */
			return 0;
		}
	}
	return err_set(e, -ENOENT, "%s is not swapped on", path);
}
