"""What differs between the object code of base and patched."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDifference:
    """How the code of two kernels differs, line numbers left out.

    ``same`` says that nothing that is loaded into memory differs. ``changed_functions`` are names with their object
    (``zswap_store (mm/zswap.o)``), those that came or went included; ``changed_data`` the same for variables and tables;
    ``changed_objects`` the object files that differ. ``compared`` is the number of objects that were made anew.
    ``reason`` says in a sentence how it is known.
    """

    same: bool
    changed_functions: tuple[str, ...] = ()
    changed_data: tuple[str, ...] = ()
    changed_objects: tuple[str, ...] = ()
    compared: int = 0
    reason: str = ""
