// SPDX-License-Identifier: GPL-2.0-only
/* Handlers, masks, the alternate stack and queued signals with their values. */
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "live.h"

static volatile sig_atomic_t values[8], nr, on_stack;
static char stack[65536];

static void handle(int sig, siginfo_t *info, void *context)
{
	char here;

	(void)sig;
	(void)context;
	on_stack = &here >= stack && &here < stack + sizeof(stack);
	if (nr < 8)
		values[nr++] = info->si_value.sival_int;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK }, now;
	stack_t st = { .ss_sp = stack, .ss_size = sizeof(stack) }, st_now;
	sigset_t mask, mask_now;

	live_setup(argc, argv);
	sigaltstack(&st, NULL);
	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGRTMIN + 3, &sa, NULL);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGRTMIN + 3);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	for (int i = 0; i < 3; i++)
		sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 100 + i });
	live_ready();
	sigaction(SIGRTMIN + 3, NULL, &now);
	live_check(now.sa_sigaction == handle && sigismember(&now.sa_mask, SIGUSR2) && now.sa_flags & SA_ONSTACK);
	sigaction(SIGHUP, NULL, &now);
	live_check(now.sa_handler == SIG_IGN);
	sigprocmask(SIG_SETMASK, NULL, &mask_now);
	live_check(sigismember(&mask_now, SIGTERM) && sigismember(&mask_now, SIGRTMIN + 3) &&
		   !sigismember(&mask_now, SIGINT));
	sigaltstack(NULL, &st_now);
	live_check(st_now.ss_sp == stack && st_now.ss_size == sizeof(stack));
	live_check(nr == 0);
	sigemptyset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	live_check(nr == 3 && values[0] == 100 && values[1] == 101 && values[2] == 102);
	live_check(on_stack);
	live_pass();
}
