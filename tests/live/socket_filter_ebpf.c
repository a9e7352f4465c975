// SPDX-License-Identifier: GPL-2.0-only
/* A filter that is an eBPF program can't be read back: refused by name, and it goes on filtering. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	/* r0 = 0; exit: take nothing. */
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 }, { .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = 2, .insns = (unsigned long)code,
		.license = (unsigned long)"GPL",
	};
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int program, fd;
	char c;

	live_setup(argc, argv);
	program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (program < 0)
		live_skip("this kernel takes no eBPF program");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	live_check(ioctl(fd, SIOCSIFFLAGS, &lo) == 0);
	live_check(setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) == 0 && close(program) == 0);
	live_check(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	live_refused("it has an eBPF program for a filter");
	live_ready();

	live_check(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)) == 1);
	live_check(recv(fd, &c, 1, 0) == -1 && errno == EAGAIN);
	live_pass();
}
