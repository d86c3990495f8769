"""The names of the invariants, which scenarios and waivers use; what each says is docs/invariants.md."""

from __future__ import annotations

INVARIANTS = tuple(f"I{number}" for number in range(1, 16))
