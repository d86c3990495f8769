/*
 * Loaded into QEMU (LD_PRELOAD) while a guest is sealed: holds QEMU's main loop back while a virtual CPU runs.
 *
 * With -accel tcg,thread=single one thread takes turns for all CPUs, and guest time is the count of instructions. Two
 * things are left to the host all the same (QEMU 7.2, accel/tcg/tcg-accel-ops-rr.c, softmmu/icount.c, util/main-loop.c):
 *
 *  - the main loop may run the timers of guest time, in whose place the CPUs' thread would have done it one turn later;
 *  - it may find all CPUs halted, and move the clock on, before their thread has accounted for what they ran, or before
 *    it has stopped the timer that makes it go on to the next CPU.
 *
 * Neither changes anything for one CPU. With several, which of them runs next depends on it. So here the main loop's
 * ppoll() returns only while the CPUs' thread waits for work: the two never run at the same time, and no moment of the
 * host's decides anything.
 *
 * ORCHESTRATOR_GATE is the descriptor of a socket. One byte is written to it for each of the two places that were found
 * ('c': the CPUs' wait, 'm': the main loop); its end of file opens the gate for good.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 20000000

enum role { UNKNOWN, OTHER, CPUS, MAIN };

static atomic_int waiting = 1; /* the futex: 1 while the CPUs' thread waits for work */
static atomic_bool closed;
static int channel = -1;
static _Atomic(pthread_cond_t *) halt_cond;
static _Atomic(pthread_mutex_t *) big_lock;
static __thread enum role role;

static int (*real_ppoll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
static int (*real_wait)(pthread_cond_t *, pthread_mutex_t *);
static int (*real_broadcast)(pthread_cond_t *);

static void *symbol(const char *name)
{
	/* Before 2.3.2 condition variables had another layout, and dlsym() may give these. */
	void *found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");

	return found ? found : dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void start(void)
{
	const char *number = getenv("ORCHESTRATOR_GATE");

	real_ppoll = dlsym(RTLD_NEXT, "ppoll");
	real_wait = symbol("pthread_cond_wait");
	real_broadcast = symbol("pthread_cond_broadcast");
	if (number) {
		channel = atoi(number);
		closed = true;
	}
}

static void say(char what)
{
	if (send(channel, &what, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		closed = false;
}

static enum role my_role(void)
{
	char name[32] = "";

	if (role == UNKNOWN) {
		/* QEMU names its threads with -name ...,debug-threads=on. */
		pthread_getname_np(pthread_self(), name, sizeof(name));
		if (syscall(SYS_gettid) == getpid())
			role = MAIN;
		else
			role = strncmp(name, "ALL CPUs", 8) ? OTHER : CPUS;
		if (role == MAIN)
			say('m');
	}
	return role;
}

/*
 * Whether the main loop has QEMU's big lock: then it polls for something of its own (aio_poll() of a shutdown), and the
 * CPUs' thread cannot come to wait before it goes on. glibc keeps a mutex's owner.
 */
static bool holds_the_lock(void)
{
	pthread_mutex_t *lock = big_lock;

	return lock && lock->__data.__owner == getpid();
}

static bool told_to_open(void)
{
	struct pollfd end = { .fd = channel, .events = POLLIN };

	return poll(&end, 1, 0) != 0;
}

static void pass(void)
{
	const struct timespec look = { .tv_nsec = LOOK_NS };

	while (closed && !waiting) {
		if (told_to_open())
			closed = false;
		else
			syscall(SYS_futex, &waiting, FUTEX_WAIT_PRIVATE, 0, &look, NULL, 0);
	}
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	int found = real_ppoll(fds, count, timeout, mask), error = errno;

	if (closed && my_role() == MAIN && !holds_the_lock())
		pass();
	errno = error;
	return found;
}

/* What _FORTIFY_SOURCE makes of it. */
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t size);

int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t size)
{
	if (size / sizeof(*fds) < count)
		abort();
	return ppoll(fds, count, timeout, mask);
}

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	int result;

	if (!closed || my_role() != CPUS)
		return real_wait(cond, mutex);
	if (!halt_cond) {
		halt_cond = cond;
		big_lock = mutex;
		say('c');
	}
	if (cond != halt_cond)
		return real_wait(cond, mutex);
	/* The main loop gets no further than the mutex that is ours until the wait has begun. */
	waiting = 1;
	syscall(SYS_futex, &waiting, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	result = real_wait(cond, mutex);
	waiting = 0;
	return result;
}

int pthread_cond_broadcast(pthread_cond_t *cond)
{
	/* Under the mutex: the CPUs' thread waits, and will go on. From here on it is its turn. */
	if (closed && cond == halt_cond && my_role() == MAIN)
		waiting = 0;
	return real_broadcast(cond);
}
