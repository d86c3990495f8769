// SPDX-License-Identifier: GPL-2.0-or-later
#include "children.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
	struct child *next;
	pid_t pid;
	struct visits *seen; /* shared with the child */
};

static struct child *first_kept;

const struct step verify_all = {.op = OP_VERIFY, .threads = 1, .percent = 100};

static _Noreturn void run_child(struct region *regions, size_t region_count, const struct step *step, size_t number,
				struct visits *seen)
{
	/* Whoever ends us must not leave a child behind that stands still for ever. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		die_errno("prctl(PR_SET_PDEATHSIG)");
	visit_pages(&regions[step->region], step, number, visit_write);
	if (step->is_kept)
		raise(SIGSTOP);
	for (size_t i = 0; i < region_count; i++) {
		struct visits visits;

		if (!regions[i].base)
			continue;
		visits = visit_pages(&regions[i], &verify_all, 0, visit_verify);
		seen->pages += visits.pages;
		seen->bad += visits.bad;
	}
	_exit(seen->bad ? TOOL_WRONG_DATA : TOOL_OK);
}

static struct child start_child(struct region *regions, size_t region_count, const struct step *step, size_t number)
{
	struct child child = {0};

	child.seen = mmap(NULL, sizeof(*child.seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (child.seen == MAP_FAILED)
		die_errno("mmap of the counters of a child");
	child.pid = fork();
	if (child.pid < 0)
		die_errno("fork");
	if (child.pid == 0)
		run_child(regions, region_count, step, number, child.seen);
	return child;
}

/* Until it stops or ends; returns its exit status once it has ended. */
static int wait_for_child(const struct child *child)
{
	int status;

	while (waitpid(child->pid, &status, WUNTRACED) < 0)
		if (errno != EINTR)
			die_errno("waitpid");
	if (WIFSTOPPED(status))
		return TOOL_OK;
	if (WIFSIGNALED(status))
		die_outside("the forked child was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != TOOL_OK && WEXITSTATUS(status) != TOOL_WRONG_DATA)
		_exit(WEXITSTATUS(status));
	return WEXITSTATUS(status);
}

static void end_child(const struct child *child, struct children *ended)
{
	if (wait_for_child(child) == TOOL_WRONG_DATA)
		ended->worst = TOOL_WRONG_DATA;
	ended->count++;
	ended->seen.pages += child->seen->pages;
	ended->seen.bad += child->seen->bad;
	munmap(child->seen, sizeof(*child->seen));
}

struct children fork_and_wait(struct region *regions, size_t region_count, const struct step *step, size_t number)
{
	struct child child = start_child(regions, region_count, step, number);
	struct children ended = {0};

	end_child(&child, &ended);
	return ended;
}

void fork_and_keep(struct region *regions, size_t region_count, const struct step *step, size_t number)
{
	struct child *child = grow_array(NULL, 1, sizeof(*child));
	struct child **last = &first_kept;

	*child = start_child(regions, region_count, step, number);
	wait_for_child(child);
	while (*last)
		last = &(*last)->next;
	*last = child;
}

bool has_children(void)
{
	return first_kept != NULL;
}

struct children reap_children(void)
{
	struct children ended = {0};

	while (first_kept) {
		struct child *child = first_kept;

		if (kill(child->pid, SIGCONT) != 0)
			die_errno("kill(SIGCONT) of the forked child");
		end_child(child, &ended);
		first_kept = child->next;
		free(child);
	}
	return ended;
}
