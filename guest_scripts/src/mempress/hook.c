// SPDX-License-Identifier: GPL-2.0-or-later
#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base.h"
#include "buffer.h"

static int open_in_folder(const char *file, int flags)
{
	const char *folder = getenv("MEMPRESS_HOOKS");
	struct buffer path = {0};
	int fd;

	buffer_print(&path, "%s/%s", folder ? folder : "/run", file);
	fd = open(path.bytes, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		die_errno("cannot open %s", path.bytes);
	buffer_free(&path);
	return fd;
}

static void send_name(const char *name)
{
	struct buffer line = {0};
	int request = open_in_folder("hook.request", O_WRONLY);

	buffer_print(&line, "%s\n", name);
	if (!write_all(request, line.bytes, line.length))
		die_errno("cannot ask for the hook %s", name);
	buffer_free(&line);
	close(request);
}

static uint64_t receive_status(const char *name)
{
	int reply = open_in_folder("hook.reply", O_RDONLY);
	char line[32] = "";
	size_t length = 0;
	uint64_t status;

	while (length < sizeof(line) - 1 && !memchr(line, '\n', length)) {
		ssize_t got = read(reply, line + length, sizeof(line) - 1 - length);

		if (got < 0 && errno != EINTR)
			die_errno("cannot read the answer of the hook %s", name);
		if (got == 0)
			break;
		length += got > 0 ? (size_t)got : 0;
	}
	close(reply);
	line[strcspn(line, "\n")] = '\0';
	if (!parse_u64(line, &status))
		die_outside("the hook %s did not answer with a status", name);
	return status;
}

void run_hook(const char *name)
{
	/* There is one pair of FIFOs for all processes of a trial. */
	int lock = open_in_folder("hook.lock", O_RDWR | O_CREAT);
	uint64_t status;

	while (flock(lock, LOCK_EX) != 0)
		if (errno != EINTR)
			die_errno("flock of hook.lock");
	send_name(name);
	status = receive_status(name);
	close(lock);
	if (status != 0)
		die_outside("the hook %s failed with status %llu", name, (unsigned long long)status);
}

void wait_for_fifo(const char *path)
{
	char byte;
	int fifo = open(path, O_RDONLY | O_CLOEXEC);

	if (fifo < 0)
		die_errno("cannot open %s", path);
	while (read(fifo, &byte, 1) > 0)
		;
	close(fifo);
}
