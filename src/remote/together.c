// SPDX-License-Identifier: GPL-2.0-only
/* Pieces of work that take turns, see together.h. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include "base/util.h"
#include "remote/together.h"

#define MOST 16				/* at once: more would not wait less */
#define STACK_BYTES (256 * 1024ul)
#define GUARD_BYTES PAGE_SIZE		/* below it: a fault instead of somebody else's memory */
/* All wait: until the kernel has word of some thread, or not for long, for word can be missed. */
#define IDLE_NS 1000000

struct piece {
	ucontext_t context;
	char *stack;
	struct err err;
	bool moved, done;
};

static struct crew {
	size_t nr, next;
	int (*work)(void *arg, size_t i, struct err *e);
	void *arg;
	int failed;
	struct err *err;		/* of the first failure */
	struct piece pieces[MOST];
	struct piece *now;		/* whose turn it is */
	ucontext_t home;
} *crew;

bool together_wait(bool moved)
{
	struct piece *p = crew ? crew->now : NULL;
	int saved = errno;

	if (!p || crew->failed)
		return false;
	p->moved = moved;
	swapcontext(&p->context, &crew->home);
	errno = saved;
	return true;
}

/* On a stack of its own: one piece after the other. */
static void work_main(void)
{
	struct piece *p = crew->now;

	while (crew->next < crew->nr && !crew->failed) {
		int r = crew->work(crew->arg, crew->next++, &p->err);

		if (r < 0 && !crew->failed) {
			crew->failed = r;
			*crew->err = p->err;
		}
	}
	p->done = true;
}

static bool piece_begin(struct piece *p)
{
	p->stack = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK,
			-1, 0);
	if (p->stack == MAP_FAILED)
		return false;
	mprotect(p->stack, GUARD_BYTES, PROT_NONE);
	getcontext(&p->context);
	p->context.uc_stack = (stack_t){ .ss_sp = p->stack + GUARD_BYTES, .ss_size = STACK_BYTES };
	p->context.uc_link = &crew->home;
	makecontext(&p->context, work_main, 0);
	return true;
}

/* Until it waits, or has come to its end. */
static void take_turn(struct piece *p)
{
	p->moved = true;
	crew->now = p;
	swapcontext(&crew->home, &p->context);
	crew->now = NULL;
}

/* SIGCHLD is blocked: a stop that comes after the last look is waiting when this is called. */
static void take_turns(size_t nr_pieces, const sigset_t *word)
{
	size_t left = nr_pieces;

	while (left) {
		bool moved = false;

		for (size_t i = 0; i < nr_pieces; i++) {
			struct piece *p = &crew->pieces[i];

			if (p->done)
				continue;
			take_turn(p);
			moved |= p->moved;
			left -= p->done;
		}
		if (left && !moved)
			sigtimedwait(word, NULL, &(struct timespec){ .tv_nsec = IDLE_NS });
	}
}

static int one_by_one(size_t nr, int (*work)(void *arg, size_t i, struct err *e), void *arg, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < nr; i++)
		r = work(arg, i, e);
	return r;
}

int together(size_t nr, int (*work)(void *arg, size_t i, struct err *e), void *arg, struct err *e)
{
	size_t nr_pieces = 0;
	sigset_t word, before;
	int r;

	if (nr < 2 || crew)
		return one_by_one(nr, work, arg, e);
	crew = xcalloc(1, sizeof(*crew));
	crew->nr = nr;
	crew->work = work;
	crew->arg = arg;
	crew->err = e;
	sigemptyset(&word);
	sigaddset(&word, SIGCHLD);
	sigprocmask(SIG_BLOCK, &word, &before);
	while (nr_pieces < min(nr, (size_t)MOST) && piece_begin(&crew->pieces[nr_pieces]))
		nr_pieces++;
	take_turns(nr_pieces, &word);
	sigprocmask(SIG_SETMASK, &before, NULL);
	for (size_t i = 0; i < nr_pieces; i++)
		munmap(crew->pieces[i].stack, GUARD_BYTES + STACK_BYTES);
	r = crew->failed;
	free(take_ptr(crew));
	return nr_pieces ? r : one_by_one(nr, work, arg, e);
}
