"""Runs jobs beside each other and hands back what they gave, as each is done.

Jobs go through the interface of :class:`concurrent.futures.Executor`; the local pool is the default, and another engine
can stand behind the same interface, because a job is identified by its key and doing it twice is harmless.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from orchestrator.host.deadline import Cancellation

Job = TypeVar("Job")
Result = TypeVar("Result")

POLL_S = 0.2


def run_jobs(
    jobs: Iterable[Job],
    work: Callable[[Job], Result],
    *,
    executor: concurrent.futures.Executor,
    cancellation: Cancellation,
) -> Iterator[Result]:
    """Yield the results of ``work`` in the order in which they are done.

    The first error ends it: what has not started is dropped, what runs is waited for (``cancellation`` ends that soon).
    Leaving the iteration early does the same.
    """
    order = {executor.submit(work, job): number for number, job in enumerate(jobs)}
    pending = set(order)
    try:
        while pending:
            # A bounded wait: signal handlers of the main thread run between two of them.
            done, pending = concurrent.futures.wait(
                pending, timeout=POLL_S, return_when=concurrent.futures.FIRST_COMPLETED
            )
            # Those that were done between two looks come in the order in which they were asked for.
            for future in sorted(done, key=order.__getitem__):
                yield future.result()
            if not done:
                cancellation.check()
    except BaseException:
        for future in pending:
            future.cancel()
        cancellation.cancel()
        concurrent.futures.wait(pending)
        raise


def local_executor(workers: int) -> concurrent.futures.Executor:
    """Return the local pool: threads, since the work is done by QEMU and make."""
    return concurrent.futures.ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="trial")
