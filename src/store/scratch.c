// SPDX-License-Identifier: GPL-2.0-only
/* A small private swap area in memory, see scratch.h. */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "base/util.h"
#include "store/loop.h"
#include "store/scratch.h"
#include "store/swap.h"

#define SCRATCH_BYTES (8 << 20)

static int attach(struct scratch *s, struct err *e)
{
	_cleanup_fd_ int fd = memfd_create("cpt-scratch", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, SCRATCH_BYTES) < 0)
		return err_sys(e, "make a file in memory");
	return loop_attach_fd(fd, "cpt-scratch", s->path, sizeof(s->path), e);
}

int loop_probe(struct err *e)
{
	struct scratch s = { 0 };
	int r = attach(&s, e);

	return r ?: loop_detach_device(s.path, e);
}

int scratch_open(struct scratch *s, struct err *e)
{
	struct stat st;
	int r;

	*s = (struct scratch){ 0 };
	r = attach(s, e);
	if (r < 0) {
		s->path[0] = 0;
		return r;
	}
	r = swap_format(s->path, e) ?: swap_on(s->path, false, e);
	if (r == 0 && stat(s->path, &st) < 0)
		r = err_sys(e, "stat %s", s->path);
	if (r < 0)
		scratch_close(s);
	else
		snprintf(s->dev, sizeof(s->dev), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return r;
}

void scratch_close(struct scratch *s)
{
	if (!s->path[0])
		return;
	swap_off(s->path, &ERR_INIT);
	loop_detach_device(s->path, &ERR_INIT);
	s->path[0] = 0;
}
