"""RUN RECORD ⇄ ``run.json``: the published shape of a run, described in ``results/README.md``.

The file is flat where people and scripts look (``trials[].kernel``, ``base``, ``applied``); this module alone knows how
that maps onto :class:`RunRecord`. What is read is equal to what was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.errors import UserError
from orchestrator.model.run import SCHEMA_VERSION, RunRecord
from orchestrator.model.trial import TrialResult
from orchestrator.store.codec import Json, MalformedRecord, decode, encode, from_text, to_text

_SPEC = ("kernel", "topology", "scenario", "seed", "sealed")
_TREES = ("source", "base", "applied")
_DERIVED = "fuzz"


def render_run(record: RunRecord) -> str:
    """Return the text of ``run.json``."""
    data = _object(encode(record, "run.json"), "run.json")
    trees = data.pop("trees")
    for patch, applied in zip(trees["applied"], record.trees.applied, strict=True):
        patch[_DERIVED] = applied.fuzz
    first = {"schema_version": SCHEMA_VERSION, "run_id": data.pop("run_id"), "verdict": data.pop("verdict")}
    data["trials"] = [trial_to_json(trial) for trial in record.trials]
    return to_text({**first, **{key: trees[key] for key in _TREES}, **data}) + "\n"


def parse_run(text: str, where: str = "run.json") -> RunRecord:
    """Return the record that the text of a ``run.json`` holds.

    Raises :class:`MalformedRecord` (a ``UserError``) that names the place when it was truncated, or edited so that it shows
    (``results/README.md`` says what does not), and :class:`UserError` when a newer version of ours wrote it.
    """
    data = dict(_object(from_text(text, where), where))
    _check_version(data.pop("schema_version", None), where)
    trees: dict[str, Any] = {}
    for key in _TREES:
        if key not in data:
            raise MalformedRecord(f"{where}: the key {key!r} is missing")
        trees[key] = data.pop(key)
    trees["applied"] = _without_derived(trees["applied"])
    data["trees"] = trees
    trials = data.get("trials")
    if not isinstance(trials, list):
        raise MalformedRecord(f"{where}: trials is missing, or no list")
    data["trials"] = [_nested(trial, f"{where}.trials[{index}]") for index, trial in enumerate(trials)]
    _check_no_double([str(trial["id"]) for trial in trials], where)
    return decode(RunRecord, data, where)


def trial_to_json(trial: TrialResult) -> Json:
    """Return a trial as an object of ``trials``: its specification flat, its id first."""
    data = _object(encode(trial, trial.spec.id), trial.spec.id)
    spec = data.pop("spec")
    return {"id": trial.spec.id, **spec, **data}


def trial_from_json(data: Json, where: str) -> TrialResult:
    """Return the trial that an object of ``trials`` (or a ``result.json``) holds; :class:`MalformedRecord`."""
    return decode(TrialResult, _nested(data, where), where)


def _nested(data: Json, where: str) -> dict[str, Any]:
    flat = dict(_object(data, where))
    given = flat.pop("id", None)
    if "spec" in flat:
        raise MalformedRecord(f"{where}: unknown key 'spec': a trial's specification stands flat in it")
    nested = {**flat, "spec": {key: flat.pop(key) for key in _SPEC if key in flat}}
    nested = {key: value for key, value in nested.items() if key not in _SPEC}
    expected = decode(TrialResult, nested, where).spec.id
    if given != expected:
        raise MalformedRecord(f"{where}: the id is {given!r}, but what it describes is {expected!r}")
    return nested


def _check_no_double(ids: Sequence[str], where: str) -> None:
    """Refuse a trial that is there twice: which of the two the verdict rests on, nothing says."""
    first: dict[str, int] = {}
    for index, name in enumerate(ids):
        if first.setdefault(name, index) != index:
            raise MalformedRecord(
                f"{where}.trials[{index}]: the trial {name!r} is there already, as trials[{first[name]}]"
            )


def _without_derived(applied: Json) -> Json:
    if not isinstance(applied, list):
        return applied
    return [
        {key: value for key, value in patch.items() if key != _DERIVED} if isinstance(patch, dict) else patch
        for patch in applied
    ]


def _check_version(version: object, where: str) -> None:
    if not isinstance(version, int) or isinstance(version, bool):
        raise MalformedRecord(f"{where} has no schema_version: it is not a run of ours, or it was edited")
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{where} has schema version {version}, this orchestrator reads up to {SCHEMA_VERSION}",
            hint="use the version of the orchestrator that made the run, or a newer one",
        )
    if version < 1:
        raise MalformedRecord(f"{where}: there is no schema version {version}")


def _object(data: Json, where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise MalformedRecord(f"{where}: expected an object")
    return data
