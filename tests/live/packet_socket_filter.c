// SPDX-License-Identifier: GPL-2.0-only
/* A packet socket on an interface gets what its protocol and filter say, with its options and memberships. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	/* IPv4, UDP, to this port: without link layer headers. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 3),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 22), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 47011, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff), BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) }, got;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct packet_mreq req = { .mr_type = PACKET_MR_ALLMULTI };
	int packet, fresh, udp, on = 1, count;
	socklen_t len = sizeof(count);
	unsigned char buf[256];

	live_setup(argc, argv);
	live_needs_host("packet sockets in the host's network are for its root");
	live_lo_up();
	packet = socket(AF_PACKET, SOCK_DGRAM, 0);
	fresh = socket(AF_PACKET, SOCK_RAW, 0);
	a.sll_ifindex = req.mr_ifindex = (int)if_nametoindex("lo");
	live_check(packet >= 0 && fresh >= 0 && a.sll_ifindex > 0);
	live_check(setsockopt(packet, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
	live_check(setsockopt(packet, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) == 0);
	live_check(setsockopt(packet, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) == 0);
	live_check(setsockopt(packet, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &req, sizeof(req)) == 0);
	live_check(bind(packet, (struct sockaddr *)&a, sizeof(a)) == 0);
	live_ready();

	live_check(getsockopt(packet, SOL_PACKET, PACKET_AUXDATA, &count, &len) == 0 && count == 1);
	len = sizeof(got);
	live_check(getsockname(packet, (struct sockaddr *)&got, &len) == 0 && got.sll_ifindex == a.sll_ifindex);
	live_check(got.sll_protocol == htons(ETH_P_IP));
	len = sizeof(got);
	live_check(getsockname(fresh, (struct sockaddr *)&got, &len) == 0 && got.sll_protocol == 0);
	live_check(setsockopt(packet, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &req, sizeof(req)) == 0);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	to.sin_port = htons(47010);
	live_check(sendto(udp, "other", 5, 0, (struct sockaddr *)&to, sizeof(to)) == 5);
	to.sin_port = htons(47011);
	live_check(sendto(udp, "this one", 8, 0, (struct sockaddr *)&to, sizeof(to)) == 8);
	live_check(recv(packet, buf, sizeof(buf), 0) == 36 && memcmp(buf + 28, "this one", 8) == 0);
	/* Not once more for its way out. */
	live_check(recv(packet, buf, sizeof(buf), MSG_DONTWAIT) == -1 && errno == EAGAIN);
	live_pass();
}
