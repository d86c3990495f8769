// SPDX-License-Identifier: GPL-2.0-or-later
/* sampler: copies counter files, raw, into one growing file. It understands none of them; see ../README.md. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "sample.h"

static const char usage[] = "usage: sampler --interval-ms N [--label L] --out FILE PATTERN...\n"
			    "       sampler --once [--label L] --out FILE PATTERN...";

/* Enough for some hundred counter files, so that no sample has to wait for memory while the guest is short of it. */
#define FIRST_CAPACITY (1u << 20)
#define MAX_INTERVAL_MS (24ull * 3600 * 1000)

struct arguments {
	uint64_t interval_ms;
	bool is_once;
	const char *label;
	const char *out;
	char **patterns;
	size_t pattern_count;
};

static bool is_label(const char *text)
{
	return *text && strcspn(text, " \t\r\n") == strlen(text);
}

static void parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	int i = 1;

	arguments->label = "tick";
	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		bool has_value = i + 1 < argc;

		if (strcmp(argv[i], "--once") == 0)
			arguments->is_once = true;
		else if (strcmp(argv[i], "--interval-ms") == 0 && has_value) {
			if (!parse_u64(argv[++i], &arguments->interval_ms) || arguments->interval_ms == 0 ||
			    arguments->interval_ms > MAX_INTERVAL_MS)
				die_usage("--interval-ms %s is not a number of milliseconds up to a day", argv[i]);
		} else if (strcmp(argv[i], "--label") == 0 && has_value)
			arguments->label = argv[++i];
		else if (strcmp(argv[i], "--out") == 0 && has_value)
			arguments->out = argv[++i];
		else
			die_usage("unexpected argument %s\n%s", argv[i], usage);
	}
	arguments->patterns = argv + i;
	arguments->pattern_count = (size_t)(argc - i);
	if (!arguments->out || argc == i || arguments->is_once == (arguments->interval_ms != 0))
		die_usage("--out, a pattern, and one of --once and --interval-ms are needed\n%s", usage);
	if (!is_label(arguments->label))
		die_usage("the label must be one word");
}

/* True if SIGTERM or SIGINT came before `deadline`. */
static bool stopped_before(const sigset_t *signals, uint64_t deadline)
{
	for (;;) {
		uint64_t now = now_ns();
		uint64_t left = now < deadline ? deadline - now : 0;
		struct timespec timeout = {
			.tv_sec = (time_t)(left / 1000000000u),
			.tv_nsec = (long)(left % 1000000000u),
		};

		if (sigtimedwait(signals, NULL, &timeout) > 0)
			return true;
		if (errno == EAGAIN)
			return false;
	}
}

static void write_sample(int fd, struct buffer *buffer, const struct arguments *arguments, const char *label)
{
	buffer->length = 0;
	take_sample(buffer, label, arguments->patterns, arguments->pattern_count);
	if (!write_all(fd, buffer->bytes, buffer->length))
		die_errno("write to %s", arguments->out);
}

static void sample_until_stopped(int fd, struct buffer *buffer, const struct arguments *arguments,
				 const sigset_t *signals)
{
	uint64_t interval = arguments->interval_ms * 1000000u;
	uint64_t due = now_ns();

	do {
		uint64_t now;

		write_sample(fd, buffer, arguments, arguments->label);
		/* From the start and not from the last sample, or the samples drift; those we are late for are left out. */
		now = now_ns();
		due += interval;
		if (due < now)
			due += (now - due + interval - 1) / interval * interval;
	} while (!stopped_before(signals, due));
	write_sample(fd, buffer, arguments, "last");
}

int main(int argc, char **argv)
{
	struct arguments arguments = {0};
	struct buffer buffer = {0};
	sigset_t signals;
	int fd;

	parse_arguments(argc, argv, &arguments);
	/* Blocked before the file exists: whoever sees the file may send the signal at once. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	buffer_reserve(&buffer, FIRST_CAPACITY);
	memset(buffer.bytes, 0, buffer.capacity);
	fd = open(arguments.out, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		die_errno("open of %s", arguments.out);
	if (arguments.is_once)
		write_sample(fd, &buffer, &arguments, arguments.label);
	else
		sample_until_stopped(fd, &buffer, &arguments, &signals);
	if (close(fd) != 0)
		die_errno("close of %s", arguments.out);
	return TOOL_OK;
}
