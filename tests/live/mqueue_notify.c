// SPDX-License-Identifier: GPL-2.0-only
/* A message queue that will tell somebody of a message is refused, and tells afterwards. */
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42 };
	struct timespec second = { 5, 0 };
	siginfo_t info;
	sigset_t set;
	mqd_t q;

	live_setup(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	q = mq_open("/cpt live notify", O_CREAT | O_RDWR, 0600, NULL);
	live_check(q >= 0 && mq_unlink("/cpt live notify") == 0 && mq_notify(q, &event) == 0);
	live_refused("wants to be told of a message in it");
	live_ready();

	live_check(mq_send(q, "x", 1, 0) == 0 && sigtimedwait(&set, &info, &second) == SIGUSR1);
	live_check(info.si_value.sival_int == 42 && info.si_code == SI_MESGQ);
	live_pass();
}
