// SPDX-License-Identifier: GPL-2.0-only
/*
 * To be preloaded into cpt: kills it (SIGKILL) when it is about to make a call
 * that changes something. KILL_AT=FUNCTION:N in the environment says that
 * it is the Nth call of that function of the C library; KILL_AT_COUNT=FILE has the
 * number of calls of each written there at the end. Only the process that it
 * was loaded into is meant, neither what it forks nor what that executes.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define CALLS(X) \
	X(ioctl) X(write) X(pwrite64) X(fsync) X(fdatasync) X(ftruncate64) X(unlink) X(unlinkat) X(rename) X(mkdir) \
	X(mkdirat) X(rmdir) X(mknod) X(swapon) X(swapoff) X(ptrace) X(process_vm_writev) X(syscall) X(fork) X(waitid) \
	X(waitpid) X(kill) X(setns) X(unshare) X(mount) X(umount2) X(open_tree) X(move_mount) X(msgget) X(semget) \
	X(shmget) X(shmctl) X(semctl) X(msgctl) X(msgsnd) X(semop) X(sendmsg) X(sendto) X(send) X(connect) X(bind) \
	X(pidfd_getfd) X(pidfd_open) X(mlockall) X(munlockall) X(sigprocmask) X(pthread_create) X(pthread_join) \
	X(fclose) X(close) X(socketpair) X(setrlimit) X(open64) X(openat)

#define NUMBER(name) NR_##name,
enum { CALLS(NUMBER) NR };

#define NAME(name) #name,
static const char *const names[] = { CALLS(NAME) };

static atomic_ulong calls[NR];
static void *real[NR];
static pid_t victim;
static int at = -1;		/* none */
static unsigned long at_call;
static char *count_file;

static void write_counts(void)
{
	FILE *f = count_file && getpid() == victim ? fopen(count_file, "w") : NULL;

	for (int i = 0; f && i < NR; i++)
		if (calls[i])
			fprintf(f, "%s %lu\n", names[i], (unsigned long)calls[i]);
	if (f)
		fclose(f);
}

/* What is executed later is not to be loaded with this. */
__attribute__((constructor)) static void begin(void)
{
	const char *where = getenv("KILL_AT"), *n = where ? strchr(where, ':') : NULL;

	for (int i = 0; i < NR; i++) {
		if (n && strlen(names[i]) == (size_t)(n - where) && strncmp(names[i], where, (size_t)(n - where)) == 0)
			at = i;
	}
	at_call = n ? strtoul(n + 1, NULL, 10) : 0;
	count_file = getenv("KILL_AT_COUNT") ? strdup(getenv("KILL_AT_COUNT")) : NULL;
	unsetenv("LD_PRELOAD");
	unsetenv("KILL_AT");
	unsetenv("KILL_AT_COUNT");
	victim = getpid();
	atexit(write_counts);
}

static void *about_to(int call)
{
	if (victim == getpid() && ++calls[call] == at_call && call == at)
		raise(SIGKILL);
	/* Other libraries are set up, and call, before this one is. */
	if (!real[call])
		real[call] = dlsym(RTLD_NEXT, names[call]);
	return real[call];
}

/*
 * All arguments of these are words in registers, and more of them than the
 * function has do no harm on x86-64: one body is good for all.
 */
typedef long (*words)(long, long, long, long, long, long, long);

#define WRAP(name) \
	long wrapped_##name(long a, long b, long c, long d, long e, long f, long g) __asm__(#name); \
	__attribute__((visibility("default"))) \
	long wrapped_##name(long a, long b, long c, long d, long e, long f, long g) \
	{ \
		return ((words)about_to(NR_##name))(a, b, c, d, e, f, g); \
	}
CALLS(WRAP)
