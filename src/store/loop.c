// SPDX-License-Identifier: GPL-2.0-only
/* Loop devices, see loop.h. Structures and ioctls: linux/loop.h, drivers/block/loop.c. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "base/util.h"
#include "store/loop.h"

/* How lo_device has a device number: huge_encode_dev(), include/linux/kdev_t.h. */
static uint64_t encode_dev(dev_t dev)
{
	return (minor(dev) & 0xff) | ((uint64_t)major(dev) << 8) | ((uint64_t)(minor(dev) & ~0xffU) << 12);
}

static int open_loop(int number, int *ret_fd, char *dev, size_t dev_len)
{
	snprintf(dev, dev_len, "/dev/loop%d", number);
	*ret_fd = open(dev, O_RDWR | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

static bool serves(int loop_fd, const struct stat *file)
{
	struct loop_info64 info;

	return ioctl(loop_fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == file->st_ino &&
	       info.lo_device == encode_dev(file->st_dev);
}

static int find(const struct stat *file, char *dev, size_t dev_len)
{
	_cleanup_dir_ DIR *blocks = opendir("/sys/block");
	const struct dirent *d;

	while (blocks && (d = readdir(blocks))) {
		_cleanup_fd_ int fd = -1;
		char path[300];
		int number;

		if (sscanf(d->d_name, "loop%d", &number) != 1)
			continue;
		snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file", d->d_name);
		if (access(path, F_OK) == 0 && open_loop(number, &fd, dev, dev_len) == 0 && serves(fd, file))
			return 0;
	}
	return -ENOENT;
}

int loop_find(const char *file, char *dev, size_t dev_len, struct err *e)
{
	struct stat st;

	if (stat(file, &st) < 0)
		return err_sys(e, "find %s", file);
	if (find(&st, dev, dev_len) < 0)
		return err_set(e, -ENOENT, "%s is not attached to a loop device", file);
	return 0;
}

/* Direct I/O is tried first; tmpfs of older kernels and some others can't. */
static int configure(int loop_fd, int fd, const char *name)
{
	struct loop_config config = { .fd = (uint32_t)fd, .info.lo_flags = LO_FLAGS_DIRECT_IO };

	snprintf((char *)config.info.lo_file_name, LO_NAME_SIZE, "%s", name);
	if (ioctl(loop_fd, LOOP_CONFIGURE, &config) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	config.info.lo_flags = 0;
	return ioctl(loop_fd, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

int loop_attach_fd(int fd, const char *name, char *dev, size_t dev_len, struct err *e)
{
	_cleanup_fd_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int r = -EBUSY;

	if (control < 0) {
		err_sys(e, "open /dev/loop-control");
		return err_advise(e, "`modprobe loop`, or a kernel with CONFIG_BLK_DEV_LOOP");
	}
	/* Another program may take the free one between the two calls: try the next. */
	for (int try = 0; r == -EBUSY && try < 64; try++) {
		_cleanup_fd_ int loop_fd = -1;
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		if (number < 0)
			return err_sys(e, "get a free loop device");
		r = open_loop(number, &loop_fd, dev, dev_len);
		if (r < 0)
			return err_ret(e, r, "open %s", dev);
		r = configure(loop_fd, fd, name);
	}
	return r < 0 ? err_ret(e, r, "attach %s to a loop device", name) : 0;
}

int loop_attach(const char *file, char *dev, size_t dev_len, struct err *e)
{
	_cleanup_fd_ int fd = open(file, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open %s", file);
	return find(&st, dev, dev_len) == 0 ? 0 : loop_attach_fd(fd, file, dev, dev_len, e);
}

int loop_detach_device(const char *dev, struct err *e)
{
	_cleanup_fd_ int fd = open(dev, O_RDWR | O_CLOEXEC);

	if (fd < 0 || (ioctl(fd, LOOP_CLR_FD) < 0 && errno != ENXIO))
		return err_sys(e, "detach the loop device %s", dev);
	return 0;
}

int loop_detach(const char *file, struct err *e)
{
	char dev[64];
	int r = loop_find(file, dev, sizeof(dev), e);

	return r == -ENOENT ? 0 : r ?: loop_detach_device(dev, e);
}
