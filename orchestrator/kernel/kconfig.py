"""Kernel configurations: what fragments ask for, what became of it, and the argv that merges them.

All of this is pure; ``objects.py`` runs the merge. The kernel's own scripts/kconfig/merge_config.sh merges the fragments
over tinyconfig with its option -n (allnoconfig): what no fragment asks for is off. Without -n a symbol that becomes
visible takes its default, and a guest kernel grows drivers for keyboards, WLAN vendors and cpufreq.

A fragment's line is ``CONFIG_X=value``, ``# CONFIG_X is not set``, a comment, or a mark. ``#: one of CONFIG_A CONFIG_B``:
these are names of one option in different kernel versions, all are asked for, and one must survive. ``#: since 7.2``: the
option of the next line is new in that version, and may be lost by an older one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import InfraError

_ASSIGNED = re.compile(r"^(CONFIG_\w+)=(.*)$")
_NOT_SET = re.compile(r"^# (CONFIG_\w+) is not set$")
_ONE_OF = re.compile(r"^#: one of ((?:CONFIG_\w+ ?){2,})$")
_SINCE = re.compile(r"^#: since (\d+)\.(\d+)$")
# The first lines of .config: "# Linux/x86_64 7.2.12 Kernel Configuration" (scripts/kconfig/confdata.c, conf_write).
_RELEASE = re.compile(r"^# Linux/\S+ (\d+)\.(\d+)\S* Kernel Configuration$", re.MULTILINE)

ANY = (0, 0)
"""The version since which an option without a mark is asked for."""

FRAGMENTS_FOLDER = "/fragments"
"""Where the fragments are in the room, in the order of their numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One symbol that a fragment asks for: ``value`` as in .config, ``n`` for off; ``others`` would do as well.

    ``since`` is the first version of Linux (major, minor) that must have it.
    """

    symbol: str
    value: str
    fragment: str
    line: int
    others: tuple[str, ...] = ()
    since: tuple[int, int] = ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A wish that the resolved .config does not fulfil; ``became`` is what it has instead."""

    wish: Wish
    became: str

    def describe(self) -> str:
        """Return the line a person is shown."""
        wish = self.wish
        return f"{wish.symbol}={wish.value} ({wish.fragment}:{wish.line}) became {self.became}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A fragment's name (for messages) and text."""

    name: str
    text: str


def parse_fragment(fragment: Fragment) -> tuple[Wish, ...]:
    """Return what a fragment asks for, in order; :class:`InfraError` for a line that is none of the known forms."""
    wishes = []
    others: tuple[str, ...] = ()
    since = ANY
    for number, raw in enumerate(fragment.text.splitlines(), start=1):
        line = raw.strip()
        parsed = _parse_line(line)
        if parsed is not None:
            symbol, value = parsed
            group = others if symbol in others else ()
            wish = Wish(symbol=symbol, value=value, fragment=fragment.name, line=number, others=group, since=since)
            wishes.append(wish)
            since = ANY
        elif one_of := _ONE_OF.match(line):
            others = tuple(one_of[1].split())
        elif mark := _SINCE.match(line):
            since = (int(mark[1]), int(mark[2]))
        elif line.startswith("#:") or (line and not line.startswith("#")):
            raise InfraError(f'{fragment.name}:{number}: not a line of a kernel configuration: "{line}"')
    return tuple(wishes)


def parse_config(text: str) -> dict[str, str]:
    """Return a resolved .config's symbols and values; what is not set has the value ``n``."""
    found = {}
    for line in text.splitlines():
        parsed = _parse_line(line.strip())
        if parsed is not None:
            found[parsed[0]] = parsed[1]
    return found


def config_release(text: str) -> tuple[int, int] | None:
    """Return the version of Linux (major, minor) that wrote a .config, None when it does not say."""
    match = _RELEASE.search(text)
    return (int(match[1]), int(match[2])) if match else None


def render_config(values: Mapping[str, str]) -> str:
    """Return the text that :func:`parse_config` reads: the inverse, in the order of ``values``."""
    lines = [f"# {name} is not set" if value == "n" else f"{name}={value}" for name, value in values.items()]
    return "".join(f"{line}\n" for line in lines)


def _parse_line(line: str) -> tuple[str, str] | None:
    assigned = _ASSIGNED.match(line)
    if assigned:
        return assigned[1], assigned[2].strip()
    unset = _NOT_SET.match(line)
    return (unset[1], "n") if unset else None


def find_lost(
    fragments: Iterable[Fragment], config: Mapping[str, str], *, release: tuple[int, int] | None = None
) -> tuple[Lost, ...]:
    """Return each wish that did not survive in ``config`` of that ``release`` (None: one that has everything).

    Where fragments ask for the same symbol, the last one counts.
    """
    wishes = {wish.symbol: wish for fragment in fragments for wish in parse_fragment(fragment)}
    return tuple(
        Lost(wish=wish, became=_became(wish.symbol, config))
        for wish in wishes.values()
        if (release is None or release >= wish.since)
        and not _survived(wish, config)
        and not _other_survived(wish, wishes, config)
    )


def _survived(wish: Wish, config: Mapping[str, str]) -> bool:
    return config.get(wish.symbol, "n") == wish.value


def _other_survived(wish: Wish, wishes: Mapping[str, Wish], config: Mapping[str, str]) -> bool:
    return any(_survived(wishes[name], config) for name in wish.others if name in wishes and name != wish.symbol)


def _became(symbol: str, config: Mapping[str, str]) -> str:
    if symbol not in config:
        return "nothing (no such option, or one it depends on is off)"
    return "not set" if config[symbol] == "n" else config[symbol]


def affects_config(path: str) -> bool:
    """Whether a change of the source file ``path`` can change what .config becomes of the same fragments."""
    name = path.rpartition("/")[2]
    return (
        name.startswith("Kconfig")
        or name.endswith(".config")
        or path.startswith("scripts/")
        or path in {"Makefile", "Kbuild"}
        or (name == "Makefile" and path.count("/") == 2 and path.startswith("arch/"))
    )


def tinyconfig_argv(make: Sequence[str]) -> list[str]:
    """Return the command that starts a configuration; ``make`` is make with its variables."""
    return [*make, "tinyconfig"]


def merge_argv(count: int) -> list[str]:
    """Return the command that merges ``count`` fragments over /obj/.config; it is run in /obj.

    It runs make itself, through the Makefile that tinyconfig left in /obj, and takes ARCH and CC from the environment.
    """
    fragments = [fragment_path(number) for number in range(count)]
    return ["sh", "/src/scripts/kconfig/merge_config.sh", "-n", "-O", ".", ".config", *fragments]


def fragment_path(number: int) -> str:
    """Return where fragment ``number`` (from 0) is in the room."""
    return f"{FRAGMENTS_FOLDER}/{number}.config"
