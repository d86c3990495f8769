"""RUN → CSV or PARQUET of all samples, and CSV of all trials' metrics: for analysts.

Samples: a row a moment of a trial, a column a counter, named as the guest names it: ``/proc/vmstat:zswpwb``, and the path
alone of a file that holds one number. A counter that was not there at that moment, or not on that kernel, is an empty cell
(null), never 0. Files that are no list of counters (pressure, zoneinfo, swaps) are left out: the trial's folder has them.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import UserError
from orchestrator.model.run import RunRecord
from orchestrator.model.samples import DIGITS, Sample, counter_of
from orchestrator.model.trial import TrialResult
from orchestrator.report.material import SETTLED, TICKS, Material
from orchestrator.report.text import printable_line

IDENTITY = ("run_id", "trial", "kernel", "topology", "scenario", "seed", "sealed", "kind", "label", "at_s")
KINDS: Mapping[str, str] = {SETTLED: "settled", TICKS: "tick"}

MOST_COLUMNS = 16_384
"""More distinct counters than this are no record of ours; spreadsheets end here, too."""

_LINE = re.compile(r"(\S+?):?[ \t]+([0-9]+)(?: kB)?")
_RISKY = ("=", "+", "-", "@", "\t")


@dataclass(slots=True)
class _Row:
    """A sample: what it is of, and by file the keys (as one text) and values (joined by commas) of its counters."""

    identity: tuple[str, ...]
    files: dict[str, tuple[str, str]]


_made: tuple[Material, bytes] | None = None
"""The last table, for the one who wants it as Parquet as well: it takes seconds for a large run."""


def samples_csv(material: Material) -> bytes:
    """Return the samples as CSV in UTF-8 (RFC 4180 but for line feeds); :class:`UserError` where the run has none."""
    global _made  # noqa: PLW0603 - a cache of one
    if _made is None or _made[0] is not material:
        _made = (material, _samples_csv(material))
    return _made[1]


def _samples_csv(material: Material) -> bytes:
    reader = _Reader()
    rows = [row for trial in material.record.trials for row in _rows_of(material, trial, reader)]
    if not rows:
        raise UserError(
            "this run has no samples: its folder is not at hand, or all of its trials were answered from the cache",
            hint="render it where its folder is; orchestrator test --again runs the trials here",
        )
    columns = _columns(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [f"{path}:{key}" if key else path for path, keys in columns.items() for key in keys.split("\n")]
    writer.writerow([*IDENTITY, *(printable_line(name) for name in names)])
    empty = {path: "," * keys.count("\n") for path, keys in columns.items()}
    for row in rows:
        head = io.StringIO()
        csv.writer(head, lineterminator="").writerow(row.identity)
        cells = [_aligned(row.files[path], columns[path]) if path in row.files else empty[path] for path in columns]
        out.write(f"{head.getvalue()},{','.join(cells)}\n" if cells else f"{head.getvalue()}\n")
    return out.getvalue().encode()


def samples_parquet(material: Material) -> bytes:
    """Return the same as Parquet, counters as unsigned 64-bit integers; :class:`UserError` without pyarrow."""
    try:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv
        from pyarrow import parquet
    except ImportError:
        raise UserError(
            "Parquet needs the package pyarrow, which is not installed",
            hint="pip install 'mm-patch-orchestrator[parquet]', or take --format csv",
        ) from None
    data = samples_csv(material)
    names = next(csv.reader([data[: data.index(b"\n")].decode()]))
    types = dict.fromkeys(names, pa.uint64())
    types.update(dict.fromkeys(IDENTITY, pa.string()))
    types.update(seed=pa.int64(), sealed=pa.bool_(), at_s=pa.float64())
    options = arrow_csv.ConvertOptions(column_types=types, strings_can_be_null=False, quoted_strings_can_be_null=False)
    table = arrow_csv.read_csv(pa.BufferReader(data), convert_options=options)
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def metrics_csv(record: RunRecord) -> str:
    """Return the metrics of all trials as CSV, one a line; a trial without metrics has a line with its status all the same."""
    units = {(s.name, metric.name): metric.unit for s in record.scenarios for metric in s.metrics}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*IDENTITY[:7], "status", "metric", "unit", "value"])
    for trial in record.trials:
        head = [*_identity(record, trial), str(trial.status)]
        for name, value in trial.metrics.items():
            unit = units.get((trial.spec.scenario, name.partition("@node")[0]), "")
            shown = int(value) if float(value).is_integer() else value
            writer.writerow([*head, _cell(name), _cell(unit), shown])
        if not trial.metrics:
            writer.writerow([*head, "", "", ""])
    return out.getvalue()


def _identity(record: RunRecord, trial: TrialResult) -> tuple[str, ...]:
    spec = trial.spec
    texts = (record.run_id, spec.id, str(spec.kernel), spec.topology, spec.scenario)
    return (*(_cell(text) for text in texts), str(spec.seed), "true" if spec.sealed else "false")


def _cell(text: str) -> str:
    """Return ``text`` as a cell that no spreadsheet takes for a formula."""
    plain = printable_line(text)
    return f"'{plain}" if plain.startswith(_RISKY) else plain


def _rows_of(material: Material, trial: TrialResult, reader: _Reader) -> Iterator[_Row]:
    identity = _identity(material.record, trial)
    for kind, word in KINDS.items():
        for sample in material.read(trial.spec.id, kind):
            head = (*identity, word, _cell(sample.label), f"{sample.at_s:.9f}")
            yield _Row(identity=head, files=reader.counters(sample))


class _Reader:
    """Reads samples' files; remembers what it read last of each path: most counters stay as they are for a while."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, tuple[str, str] | None]] = {}
        self._keys: dict[str, str] = {}

    def counters(self, sample: Sample) -> dict[str, tuple[str, str]]:
        """Return keys and values of the files that are lists of counters, by path."""
        found = {}
        for path, text in sample.files.items():
            last = self._last.get(path)
            if last is None or last[0] != text:
                read = _read(text)
                # The keys are one text in thousands of samples.
                kept = None if read is None else (self._keys.setdefault(read[0], read[0]), read[1])
                self._last[path] = last = (text, kept)
            if last[1] is not None:
                found[path] = last[1]
        return found


def _read(text: str) -> tuple[str, str] | None:
    """Return a file's keys, one a line, and its values, by commas; "" is the key of a lone number. None: no counters."""
    words = text.split()
    if len(words) == 1:
        return ("", str(number)) if (number := counter_of(words[0])) is not None else None
    values = words[1::2]
    if len(words) == 2 * text.count("\n") and _are_counters(values):
        keys = words[0::2]
        if len(set(keys)) == len(keys):
            return "\n".join(keys), ",".join(values)
    return _read_slowly(text)


def _are_counters(values: Sequence[str]) -> bool:
    joined = "".join(values)
    # The largest 64-bit number has DIGITS digits, and not all numbers of so many are in its range.
    return joined.isascii() and joined.isdecimal() and max(map(len, values)) < DIGITS


def _read_slowly(text: str) -> tuple[str, str] | None:
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line.rstrip())
        if match is None:
            return None
        number = counter_of(match[2])
        if number is None or match[1] in found:
            return None
        found[match[1]] = str(number)
    return ("\n".join(found), ",".join(found.values())) if found else None


def _columns(rows: Iterable[_Row]) -> dict[str, str]:
    """Return the keys of each file over all samples, in the order seen."""
    shapes: dict[str, dict[str, None]] = {}
    for row in rows:
        for path, (keys, _) in row.files.items():
            shapes.setdefault(path, {}).setdefault(keys)
    columns = {}
    for path, seen in sorted(shapes.items()):
        columns[path] = "\n".join(dict.fromkeys(key for keys in seen for key in keys.split("\n")))
    if sum(keys.count("\n") + 1 for keys in columns.values()) > MOST_COLUMNS:
        raise UserError(f"the samples name more than {MOST_COLUMNS} counters: they are no record of ours")
    return columns


def _aligned(read: tuple[str, str], columns: str) -> str:
    keys, values = read
    if keys == columns:
        return values
    there = dict(zip(keys.split("\n"), values.split(","), strict=True))
    return ",".join(there.get(key, "") for key in columns.split("\n"))
