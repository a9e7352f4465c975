/* SPDX-License-Identifier: GPL-2.0-only */
/* How fdinfo of a timerfd tells its state (timerfd_show() in fs/timerfd.c). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct timerfd_info {
	int clock;
	int flags;
	uint64_t ticks;
	int64_t value_ns, interval_ns;
};

bool timerfd_parse(const char *fdinfo, struct timerfd_info *ret);
