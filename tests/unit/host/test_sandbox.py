"""The sandbox, with the real bubblewrap. Without one that works these tests fail: nothing else shows that it confines."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import InfraError, TimedOut
from orchestrator.host import sandbox as module
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.process import Finished, run, running
from orchestrator.host.sandbox import (
    NO_SANDBOX,
    ROOM_PATH,
    Bind,
    LimitPassed,
    Limits,
    Room,
    Sandbox,
    SandboxKind,
    descendants,
    find_sandbox,
    host_layout,
    sandboxed,
    watched,
)
from orchestrator.host.workspace import scratch_folder

PATIENCE_S = 60.0


def way_of(kind: SandboxKind, folder: Path) -> Sandbox:
    mount_point = folder / "mount point's"
    mount_point.mkdir(exist_ok=True)
    return Sandbox(kind=kind, top=host_layout(), mount_point=mount_point)


def works(kind: SandboxKind) -> bool:
    with scratch_folder("ways") as folder:
        return run(sandboxed(["true"], sandbox=way_of(kind, folder), room=Room(env={"PATH": ROOM_PATH}))).ok


def ways() -> list[SandboxKind]:
    """Every way that works for this user on this host; the first one where none does, so that its tests fail."""
    confined = [SandboxKind.USER_NAMESPACE, SandboxKind.ROOT, SandboxKind.ROOT_IN_CHROOT]
    return [kind for kind in confined if works(kind)] or confined[:1]


@pytest.fixture(params=ways(), ids=lambda kind: kind.name.lower())
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Sandbox:
    """One way to a room."""
    return way_of(request.param, tmp_path)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    for name in ("src", "obj"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
    (tmp_path / "src" / "file").write_text("source\n")
    return Room(
        read_only=(Bind(outside=tmp_path / "src", inside="/src"),),
        writable=(Bind(outside=tmp_path / "obj", inside="/obj"),),
        env={"PATH": ROOM_PATH, "GREETING": "a 'quoted' $word"},
        cwd="/obj",
    )


def sh(script: str, sandbox: Sandbox, room: Room) -> Finished:
    return run(sandboxed(["sh", "-c", script], sandbox=sandbox, room=room), deadline=Deadline(PATIENCE_S, what="sh"))


def test_sandbox_when_reading_binds_then_sees_them_under_fixed_names(sandbox: Sandbox, room: Room) -> None:
    finished = sh("pwd; cat /src/file; echo made > /obj/made; cat /obj/made", sandbox, room)
    assert finished.stdout == "/obj\nsource\nmade\n", finished.stderr


@pytest.mark.parametrize("path", ["/src/file", "/src/new", "/usr/new", "/new", "/dev/new", "/etc/new", "/home"])
def test_sandbox_when_writing_elsewhere_then_is_refused(sandbox: Sandbox, room: Room, path: str) -> None:
    assert sh(f"echo evil > {path}", sandbox, room).exit_status != 0


@pytest.mark.parametrize(
    "path", ["/proc/sys/vm/swappiness", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/mtrr"]
)
def test_sandbox_when_writing_host_settings_then_is_refused(sandbox: Sandbox, room: Room, path: str) -> None:
    # The shell opens the file before it runs the command, so an open that is refused changes nothing.
    assert sh(f": > {path}", sandbox, room).exit_status != 0


def test_sandbox_when_looking_for_home_then_there_is_none(
    sandbox: Sandbox, room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    monkeypatch.setenv("TOKEN", "secret")
    home = Path.home()
    finished = sh(f"ls {home}; cat {secret}; ls /root /home /etc/shadow /etc/ssh /var /run; env", sandbox, room)
    assert "secret" not in finished.stdout
    assert {line.partition("=")[0] for line in finished.stdout.splitlines()} <= {"PATH", "GREETING", "PWD"}
    assert "GREETING=a 'quoted' $word" in finished.stdout


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_sandbox_when_connecting_to_host_then_is_refused(sandbox: Sandbox, room: Room, listener: int) -> None:
    script = f"perl -MIO::Socket::INET -e 'exit(IO::Socket::INET->new(\"127.0.0.1:{listener}\") ? 0 : 7)'"
    assert run(["sh", "-c", script]).exit_status == 0
    assert sh(script, sandbox, room).exit_status == 7


def test_sandbox_when_run_then_has_no_capability_and_cannot_get_one(sandbox: Sandbox, room: Room) -> None:
    status = sh("cat /proc/self/status", sandbox, room).stdout
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(facts["CapEff"], 16) == 0
    assert int(facts["CapPrm"], 16) == 0
    assert facts["NoNewPrivs"] == "1"


@pytest.mark.parametrize(
    "command",
    [
        "mount -t tmpfs x /obj",
        "mount -o remount,rw /src",
        "umount /proc",
        "mknod /obj/disk b 8 0",
        "chroot /obj true",
        "hostname evil",
        "unshare --mount true",
    ],
)
def test_sandbox_when_trying_privileged_calls_then_is_refused(sandbox: Sandbox, room: Room, command: str) -> None:
    assert sh(command, sandbox, room).exit_status != 0


def test_sandbox_when_looking_for_processes_then_sees_only_its_own(sandbox: Sandbox, room: Room) -> None:
    finished = sh(f"kill -0 {os.getpid()} && echo seen; ls /proc | grep -c '^[0-9]'", sandbox, room)
    assert int(finished.stdout) < 8


def test_sandbox_when_we_leave_then_what_ran_in_it_is_gone(sandbox: Sandbox, room: Room) -> None:
    script = "setsid sleep 8765.4321 & sleep 8765.4321"
    with running(sandboxed(["sh", "-c", script], sandbox=sandbox, room=room)) as process, pytest.raises(TimedOut):
        process.wait(Deadline(1.0, what="sleep"))
    end = Deadline(PATIENCE_S, what="the sandbox's end")
    while any(b"8765.4321" in _command(path) for path in Path("/proc").glob("[0-9]*")):
        end.pause(0.05)


def _command(folder: Path) -> bytes:
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:
        return b""


def test_sandbox_when_one_process_wants_too_much_memory_then_gets_none(sandbox: Sandbox, room: Room) -> None:
    limits = Limits(process_mib=512)
    small = Room(read_only=room.read_only, writable=room.writable, env=room.env, limits=limits)
    finished = sh("perl -e '$x = \"a\" x (1 << 30); print length $x'", sandbox, small)
    assert finished.exit_status != 0
    assert finished.stdout == ""


def test_sandbox_when_a_file_grows_too_large_then_is_cut(sandbox: Sandbox, room: Room, tmp_path: Path) -> None:
    small = Room(writable=room.writable, env=room.env, limits=Limits(file_mib=1))
    assert sh("head -c 3000000 /dev/zero > /obj/big", sandbox, small).exit_status != 0
    assert (tmp_path / "obj" / "big").stat().st_size == 1 << 20


def _watch(script: str, sandbox: Sandbox, room: Room) -> int:
    with running(sandboxed(["sh", "-c", script], sandbox=sandbox, room=room)) as process:
        return watched(process, room=room, deadline=Deadline(PATIENCE_S, what="sh"))


def test_watched_when_too_many_processes_run_then_they_are_ended(sandbox: Sandbox, room: Room) -> None:
    crowded = Room(writable=room.writable, env=room.env, limits=Limits(processes=20))
    script = "i=0; while [ $i -lt 60 ]; do sleep 7654.321 & i=$((i+1)); done; wait; sleep 7654.321"
    if os.geteuid() == 0:
        with pytest.raises(LimitPassed, match="more than 20 processes"):
            _watch(script, sandbox, crowded)
    else:
        # RLIMIT_NPROC comes first for an ordinary user: the shell cannot fork.
        assert _watch(script, sandbox, crowded) != 0
    end = Deadline(PATIENCE_S, what="the sandbox's end")
    while any(b"7654.321" in _command(path) for path in Path("/proc").glob("[0-9]*")):
        end.pause(0.05)


def test_watched_when_all_together_use_too_much_memory_then_is_ended(sandbox: Sandbox, room: Room) -> None:
    poor = Room(writable=room.writable, env=room.env, limits=Limits(memory_mib=64))
    with pytest.raises(LimitPassed, match="more than 64 MiB of memory"):
        _watch("perl -e '$x = \"a\" x (200 << 20); sleep 100'", sandbox, poor)


def test_watched_when_disk_gets_full_then_is_infra_error(sandbox: Sandbox, room: Room) -> None:
    full = Room(writable=room.writable, env=room.env, limits=Limits(free_disk_mib=1 << 40))
    with pytest.raises(InfraError, match="no disk space"):
        _watch("sleep 100", sandbox, full)


def test_watched_when_command_ends_then_gives_its_status(sandbox: Sandbox, room: Room) -> None:
    assert _watch("exit 5", sandbox, room) == 5


def test_find_sandbox_when_nothing_works_then_refuses_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "sandboxed", lambda *_argv, **_room: ["sh", "-c", "echo no luck >&2; exit 1"])
    with pytest.raises(InfraError, match="no sandbox works here") as caught:
        find_sandbox(cache=tmp_path, cancellation=Cancellation())
    assert "--no-sandbox" in caught.value.hint
    assert "user namespace: no luck" in caught.value.describe()


def test_find_sandbox_when_bwrap_is_missing_then_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_program", lambda _name: None)
    with pytest.raises(InfraError) as caught:
        find_sandbox(cache=tmp_path, cancellation=Cancellation())
    assert "bwrap) is not installed" in caught.value.describe()


def test_no_sandbox_when_run_then_paths_are_those_outside(room: Room, tmp_path: Path) -> None:
    words = ["-C", "/src", "O=/obj", "F=/src/a:/obj/b", "/srcs", "x/src"]
    argv = sandboxed(words, sandbox=NO_SANDBOX, room=room)
    src, obj = tmp_path / "src", tmp_path / "obj"
    assert argv[-6:] == ["-C", str(src), f"O={obj}", f"F={src}/a:{obj}/b", "/srcs", "x/src"]
    assert sh("cat /src/file", NO_SANDBOX, room).exit_status != 0
    assert run(sandboxed(["cat", "/src/file"], sandbox=NO_SANDBOX, room=room)).stdout == "source\n"


def test_host_layout_when_merged_usr_or_not_then_tells_links_from_folders(tmp_path: Path) -> None:
    (tmp_path / "lib64").mkdir()
    (tmp_path / "bin").symlink_to("usr/bin")
    assert host_layout(tmp_path) == (("bin", "usr/bin"), ("lib64", ""))


def test_descendants_when_grandchildren_live_then_yields_them() -> None:
    with running(["sh", "-c", "sh -c 'sleep 100 & wait' & wait"]) as process:
        end = Deadline(PATIENCE_S, what="the grandchildren")
        while len(list(descendants(process.pid))) < 2:
            end.pause(0.02)
