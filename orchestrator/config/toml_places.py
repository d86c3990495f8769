"""Where in a TOML file a key stands: tomllib and pydantic say which key is wrong, a person wants the line.

The text is one that tomllib has read; only where things begin is looked for, values are skipped.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence

Path = tuple[str | int, ...]
"""A way to a value: keys of tables, and indices (from 0) of arrays and of ``[[tables]]``."""

_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}\n#]*")
_QUOTED = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)


def place_in(text: str, path: Sequence[str | int]) -> int:
    """Return the line (from 1) where ``path``, or the nearest thing around it that is there, begins in ``text``.

    A key that is missing is thus placed at the table that lacks it. Line 1 when nothing of it is there.
    """
    places = places_of(text)
    for length in range(len(path), 0, -1):
        if (line := places.get(tuple(path[:length]))) is not None:
            return line
    return 1


def places_of(text: str) -> Mapping[Path, int]:
    """Return the line of every key, table and array item of ``text``, which is valid TOML."""
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.places


class _Scanner:
    """Goes through the text once; ``at`` is where it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}

    def scan(self) -> None:
        """Note every place."""
        prefix: Path = ()
        self._skip(_SPACE)
        while self.at < len(self.text):
            start = self.at
            if self._takes("[["):
                prefix = self._item_of(self._keys())
                self._skip_header()
            elif self._takes("["):
                prefix = self._resolved(self._keys())
                self._skip_header()
            else:
                self._pair(prefix)
            # A header also makes the tables around it.
            for length in range(1, len(prefix) + 1):
                self._note(prefix[:length], start)
            self._skip(_SPACE)
            if self.at == start:
                # Nothing that TOML has: the rest is not looked at.
                return

    def _skip_header(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _pair(self, prefix: Path) -> None:
        start = self.at
        keys = self._keys()
        for length in range(1, len(keys) + 1):
            self._note((*prefix, *keys[:length]), start)
        self._skip(_BLANK)
        self._takes("=")
        self._skip(_BLANK)
        self._value((*prefix, *keys))

    def _value(self, path: Path) -> None:
        """Skip a value; note the items of an array and the keys of an inline table."""
        if self._takes("["):
            index = 0
            while not self._closed("]"):
                self._note((*path, index), self.at)
                self._value((*path, index))
                index += 1
        elif self._takes("{"):
            while not self._closed("}"):
                self._pair(path)
        elif quoted := _QUOTED.match(self.text, self.at):
            self.at = quoted.end()
        else:
            self._skip(_BARE_VALUE)

    def _closed(self, bracket: str) -> bool:
        """Skip what stands between items; whether ``bracket`` or the text's end came."""
        before = -1
        while before != self.at:
            before = self.at
            self._skip(_SPACE)
            self._takes(",")
        if self._takes(bracket) or self.at >= len(self.text):
            return True
        # What cannot begin an item here would be met again for ever.
        if self.text[self.at] in "]}":
            self.at = len(self.text)
            return True
        return False

    def _keys(self) -> Path:
        """Return a key, which may be dotted, its parts without their quotes."""
        keys: list[str] = []
        while True:
            self._skip(_BLANK)
            match = _QUOTED.match(self.text, self.at) or _BARE_KEY.match(self.text, self.at)
            if match is None:
                return tuple(keys)
            self.at = match.end()
            keys.append(_unquoted(match[0]))
            self._skip(_BLANK)
            if not self._takes("."):
                return tuple(keys)

    def _resolved(self, keys: Path) -> Path:
        """Return the path of a header: below an array of tables its last item is meant."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        return path

    def _item_of(self, keys: Path) -> Path:
        array = (*self._resolved(keys[:-1]), *keys[-1:])
        self._counts[array] = self._counts.get(array, 0) + 1
        return (*array, self._counts[array] - 1)

    def _note(self, path: Path, at: int) -> None:
        if path not in self.places:
            self.places[path] = self.text.count("\n", 0, at) + 1

    def _takes(self, word: str) -> bool:
        found = self.text.startswith(word, self.at)
        self.at += len(word) if found else 0
        return found

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at


def _unquoted(key: str) -> str:
    if key[:1] not in {'"', "'"}:
        return key
    try:
        value = tomllib.loads(f"key = {key}")["key"]
    except tomllib.TOMLDecodeError:
        return key
    return value if isinstance(value, str) else key
