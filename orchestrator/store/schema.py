"""The JSON schema of ``run.json``, made from the dataclasses that it is read into: ``docs/run.schema.json``.

The reader (``store/codec.py``) goes by the same type hints, so that what it takes and what the schema allows are one.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from orchestrator.model.run import SCHEMA_VERSION, RunRecord
from orchestrator.model.tree import AppliedPatch, Trees
from orchestrator.model.trial import TrialResult, TrialSpec
from orchestrator.store.codec import to_text

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID = f"urn:mm-patch-orchestrator:run:{SCHEMA_VERSION}"

Schema = dict[str, Any]

_SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    Path: {"type": "string"},
}


def run_schema() -> Schema:
    """Return the schema of ``run.json`` as it is published: trees and trials flat, the version in front."""
    definitions: dict[str, Schema] = {}
    record = _object(RunRecord, definitions)
    trees = _object(Trees, definitions)
    version = {"type": "integer", "const": SCHEMA_VERSION, "description": "Grows when an older reader would misread."}
    properties = {"schema_version": version, **record["properties"], **trees["properties"]}
    del properties["trees"]
    required = ["schema_version", *record["required"], *trees["required"]]
    definitions[TrialResult.__name__] = _flat_trial(definitions)
    applied = definitions[AppliedPatch.__name__]
    applied["properties"]["fuzz"] = {"type": "integer", "description": "Of all hunks; made from them."}
    return {
        "$schema": DIALECT,
        "$id": ID,
        "title": "run.json",
        **record,
        "properties": properties,
        "required": sorted(set(required) - {"trees"}),
        "$defs": dict(sorted(definitions.items())),
    }


def render_run_schema() -> str:
    """Return the text of ``docs/run.schema.json``."""
    return to_text(run_schema()) + "\n"


def _flat_trial(definitions: dict[str, Schema]) -> Schema:
    trial, spec = _object(TrialResult, definitions), _object(TrialSpec, definitions)
    properties = {"id": {"type": "string"}, **spec["properties"], **trial["properties"]}
    del properties["spec"]
    required = sorted(({"id", *spec["required"], *trial["required"]}) - {"spec"})
    return {**trial, "properties": properties, "required": required}


def _of(hint: Any, definitions: dict[str, Schema]) -> Schema:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return {"anyOf": [_of(each, definitions) for each in arguments]}
    if origin is tuple:
        return _array(arguments, definitions)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}
            definitions[hint.__name__] = _object(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    return dict(_SCALARS[hint])


def _array(arguments: tuple[Any, ...], definitions: dict[str, Schema]) -> Schema:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    return {
        "type": "array",
        "prefixItems": [_of(each, definitions) for each in arguments],
        "minItems": len(arguments),
        "maxItems": len(arguments),
    }


def _object(kind: type, definitions: dict[str, Schema]) -> Schema:
    """Return the schema of a dataclass; a field with a default may be missing: an older record has not got it."""
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    needed = [
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    return {
        "type": "object",
        "description": " ".join((inspect.getdoc(kind) or "").split()),
        "properties": {field.name: _of(hints[field.name], definitions) for field in fields},
        "required": sorted(needed),
        "additionalProperties": False,
    }
