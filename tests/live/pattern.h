/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that can tell whether it is what it was. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ul

/* Words that depend on @seed and on their place, so that no two pages are equal. */
static inline void pattern_fill(void *at, size_t len, uint64_t seed)
{
	uint64_t *word = at;

	for (size_t i = 0; i < len / sizeof(*word); i++)
		word[i] = (seed << 32) ^ (i * 0x9e3779b97f4a7c15u);
}

/* The first page that differs, or -1. */
static inline long pattern_check(const void *at, size_t len, uint64_t seed)
{
	const uint64_t *word = at;

	for (size_t i = 0; i < len / sizeof(*word); i++)
		if (word[i] != ((seed << 32) ^ (i * 0x9e3779b97f4a7c15u)))
			return (long)(i * sizeof(*word) / PAGE);
	return -1;
}

static inline bool all_zero(const void *at, size_t len)
{
	const uint64_t *word = at;

	for (size_t i = 0; i < len / sizeof(*word); i++)
		if (word[i])
			return false;
	return true;
}
