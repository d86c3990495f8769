// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bringup mounts | network | busy: what init needs before anything else can work.
 *
 * One process instead of a dozen: under an emulated processor each start of a program costs some 20 ms of a boot.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"

/* In this order: some lie inside others. tracefs on its own: below debugfs it is deprecated. */
static const struct {
	const char *type;
	const char *where;
} mounts[] = {
	{"proc", "/proc"},
	{"sysfs", "/sys"},
	{"devtmpfs", "/dev"},
	{"devpts", "/dev/pts"},
	{"tmpfs", "/dev/shm"},
	{"cgroup2", "/sys/fs/cgroup"},
	{"configfs", "/sys/kernel/config"},
	{"debugfs", "/sys/kernel/debug"},
	{"tracefs", "/sys/kernel/tracing"},
};

/* The guest's end of QEMU's user-mode network, which has fixed addresses (net/slirp.c). */
#define GUEST_ADDRESS "10.0.2.15"
#define GUEST_NETMASK "255.255.255.0"

static int mount_all(void)
{
	int failures = 0;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].where, 0755);
		if (mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, NULL) == 0)
			continue;
		/* A kernel without it can still be looked at; what needs it will say so. */
		fprintf(stderr, "bringup: cannot mount %s on %s: %s\n", mounts[i].type, mounts[i].where,
			errno_name(errno));
		failures++;
	}
	return failures ? TOOL_SYSCALL : TOOL_OK;
}

/* Some 100 us of guest time between two pauses. */
#define BUSY_ROUNDS 10000

static void set_address(int socket, struct ifreq *request, unsigned long what, const char *text)
{
	struct sockaddr_in address = {.sin_family = AF_INET};

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1)
		die_usage("%s is no address", text);
	memcpy(&request->ifr_addr, &address, sizeof(address));
	if (ioctl(socket, what, request) < 0)
		die_errno("cannot give %s the address %s", request->ifr_name, text);
}

static void bring_up(int socket, const char *name, const char *address, const char *netmask)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	set_address(socket, &request, SIOCSIFADDR, address);
	set_address(socket, &request, SIOCSIFNETMASK, netmask);
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(socket, SIOCSIFFLAGS, &request) < 0)
		die_errno("cannot bring up %s", name);
}

/*
 * Never idle, and never in the way: lowest priority, and every so often the CPU is handed on. QEMU takes turns for all
 * CPUs on one thread, and with -icount one that never pauses leaves the others hardly any (QEMU 7.2,
 * icount_prepare_for_run(): what is left until the next timer is one CPU's); PAUSE ends its turn.
 */
static _Noreturn void stay_busy(void)
{
	if (setpriority(PRIO_PROCESS, 0, 19) < 0)
		die_errno("no lower priority");
	for (;;) {
		for (volatile int i = 0; i < BUSY_ROUNDS; i++)
			;
#if defined(__x86_64__)
		__asm__ volatile("pause");
#elif defined(__aarch64__)
		__asm__ volatile("yield");
#endif
	}
}

int main(int argc, char **argv)
{
	int control;

	if (argc == 2 && strcmp(argv[1], "mounts") == 0)
		return mount_all();
	if (argc == 2 && strcmp(argv[1], "busy") == 0)
		stay_busy();
	if (argc != 2 || strcmp(argv[1], "network") != 0)
		die_usage("usage: bringup mounts | network | busy");
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (control < 0)
		die_errno("no socket");
	bring_up(control, "lo", "127.0.0.1", "255.0.0.0");
	bring_up(control, "eth0", GUEST_ADDRESS, GUEST_NETMASK);
	close(control);
	return TOOL_OK;
}
