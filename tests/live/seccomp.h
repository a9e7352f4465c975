/* SPDX-License-Identifier: GPL-2.0-only */
/* Seccomp filters for live tests. */
#pragma once
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Does @action to @call, and lets all others be. */
#define FILTER_OF(call, action) { \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)), \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, action), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), \
}

static inline long filter_set(unsigned int flags, unsigned int nr, unsigned int action)
{
	struct sock_filter code[] = FILTER_OF(nr, action);
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* What errno call @nr without arguments gives; 0: it was made. */
static inline int filter_errno(long nr)
{
	return syscall(nr) < 0 ? errno : 0;
}
