// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * entropy FILE: credits FILE's bytes (at most 512) to the kernel's random number generator.
 *
 * A guest without RDRAND or a host's random device waits seconds for jitter before getrandom(2) answers, and dropbear
 * with it. The bytes come with the machine's keys and are used only when the seal is broken. random(4), RNDADDENTROPY.
 */
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAXIMUM 512

int main(int argc, char **argv)
{
	struct {
		struct rand_pool_info info;
		unsigned char bytes[MAXIMUM];
	} pool;
	ssize_t length;
	int file, device;

	if (argc != 2) {
		fprintf(stderr, "usage: entropy FILE\n");
		return 2;
	}
	file = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (file < 0) {
		perror(argv[1]);
		return 3;
	}
	length = read(file, pool.info.buf, MAXIMUM);
	close(file);
	if (length <= 0) {
		fprintf(stderr, "%s: nothing to read\n", argv[1]);
		return 3;
	}
	pool.info.buf_size = (int)length;
	pool.info.entropy_count = (int)length * 8;

	device = open("/dev/random", O_WRONLY | O_CLOEXEC);
	if (device < 0 || ioctl(device, RNDADDENTROPY, &pool.info) < 0) {
		perror("/dev/random");
		return 3;
	}
	/* Not at the next regular reseed, which may be a minute away: what follows must not depend on what was before. */
	if (ioctl(device, RNDRESEEDCRNG) < 0) {
		perror("RNDRESEEDCRNG");
		return 3;
	}
	close(device);
	return 0;
}
