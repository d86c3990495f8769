"""Jobs beside each other: results as they are done, and how it all ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor

import pytest

from orchestrator.errors import Cancelled, InfraError
from orchestrator.executor import local_executor, run_jobs
from orchestrator.host.deadline import Cancellation

LONG_S = 60.0


@pytest.fixture
def executor() -> Iterator[Executor]:
    with local_executor(2) as pool:
        yield pool


@pytest.fixture
def cancellation() -> Cancellation:
    return Cancellation()


def until_cancelled(cancellation: Cancellation) -> None:
    assert cancellation.wait(LONG_S), "nobody cancelled"
    raise Cancelled


def results(
    work: Callable[[int], int], executor: Executor, cancellation: Cancellation, *, jobs: int = 5
) -> Iterator[int]:
    return run_jobs(range(jobs), work, executor=executor, cancellation=cancellation)


def test_jobs_when_all_succeed_then_each_gives_its_result(executor: Executor, cancellation: Cancellation) -> None:
    assert sorted(results(lambda job: job * job, executor, cancellation)) == [0, 1, 4, 9, 16]


def test_jobs_when_there_are_none_then_nothing_comes(executor: Executor, cancellation: Cancellation) -> None:
    assert list(results(lambda job: job, executor, cancellation, jobs=0)) == []


def test_jobs_when_one_takes_longer_then_the_others_come_first(executor: Executor, cancellation: Cancellation) -> None:
    others_are_out = threading.Event()

    def work(job: int) -> int:
        assert job != 0 or others_are_out.wait(LONG_S)
        return job

    seen = []
    for result in results(work, executor, cancellation):
        seen.append(result)
        if len(seen) == 4:
            others_are_out.set()
    assert seen[-1] == 0


def test_jobs_when_one_fails_then_its_error_comes_out(executor: Executor, cancellation: Cancellation) -> None:
    def work(job: int) -> int:
        raise InfraError(f"job {job}")

    with pytest.raises(InfraError, match="job"):
        list(results(work, executor, cancellation))


def test_jobs_when_one_fails_then_those_that_run_are_cancelled_and_waited_for(
    executor: Executor, cancellation: Cancellation
) -> None:
    running, ended = threading.Event(), threading.Event()

    def work(job: int) -> int:
        if job == 0:
            running.set()
            try:
                until_cancelled(cancellation)
            finally:
                ended.set()
        assert running.wait(LONG_S)
        raise InfraError("broken")

    with pytest.raises(InfraError, match="broken"):
        list(results(work, executor, cancellation, jobs=2))
    assert ended.is_set()


def test_jobs_when_one_fails_then_those_that_wait_are_dropped(cancellation: Cancellation) -> None:
    started = []

    def work(job: int) -> int:
        started.append(job)
        if job:
            until_cancelled(cancellation)
        raise InfraError("broken")

    with local_executor(1) as executor, pytest.raises(InfraError):
        list(results(work, executor, cancellation, jobs=50))
    assert len(started) <= 2


def test_jobs_when_cancelled_then_it_ends_as_cancelled(executor: Executor, cancellation: Cancellation) -> None:
    started = threading.Barrier(3)

    def work(job: int) -> int:
        started.wait(LONG_S)
        until_cancelled(cancellation)
        return job

    def cancel() -> None:
        started.wait(LONG_S)
        cancellation.cancel()

    user = threading.Thread(target=cancel)
    user.start()
    with pytest.raises(Cancelled):
        list(results(work, executor, cancellation, jobs=2))
    user.join()


def test_jobs_when_the_iteration_is_left_early_then_the_rest_is_dropped(cancellation: Cancellation) -> None:
    started = []

    def work(job: int) -> int:
        started.append(job)
        if job:
            until_cancelled(cancellation)
        return job

    with local_executor(1) as executor:
        iteration = results(work, executor, cancellation, jobs=50)
        assert next(iteration) == 0
        iteration.close()  # type: ignore[attr-defined]
    assert len(started) <= 2


@pytest.mark.parametrize("workers", [-1, 0, 1])
def test_local_executor_when_asked_for_few_workers_then_has_one(workers: int) -> None:
    with local_executor(workers) as executor:
        assert executor.submit(int, "7").result() == 7
