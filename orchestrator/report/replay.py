"""REPLAY → LINES for people: how the trial went, whether it is the recorded one bit for bit, and if not what differs."""

from __future__ import annotations

from orchestrator.model.replay import Differs, Replay


def replay_lines(replay: Replay) -> tuple[str, ...]:
    """Return what a replay says, the answer last but for the reasons."""
    result = replay.result
    said = f": {result.message}" if result.message else ""
    lines = [f"{result.spec.id} on {replay.kernel}: {result.status}{said}", f"digest   {result.digest or 'none'}"]
    if replay.recorded:
        lines.append(f"recorded {replay.recorded}")
    if replay.is_same is True:
        lines.append("the same: the trial repeats bit for bit")
    elif replay.is_same is False:
        lines.append("not the same")
    lines += [_part_line(each) for each in replay.differs]
    if replay.first_difference:
        lines.append(f"the records part in {replay.first_difference}")
    return (*lines, replay.note) if replay.note else tuple(lines)


def _part_line(differs: Differs) -> str:
    return (
        f"    {differs.part} is another one: recorded {differs.recorded or 'nothing'}, now {differs.now or 'nothing'}"
    )
