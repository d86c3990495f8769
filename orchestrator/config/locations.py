"""Where the data that travels with the package lies: kconfigs/ and guest_scripts/.

In a checkout they stand at its top, where people look for them; in an installed package they are in ``_data``
(pyproject.toml, force-include).
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import InfraError

PACKAGE = Path(__file__).resolve().parent.parent


def data_folder(name: str) -> Path:
    """Return the folder ``name`` (``kconfigs`` or ``guest_scripts``); :class:`InfraError` if the package lacks it."""
    for candidate in (PACKAGE / "_data" / name, PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise InfraError(f"the installation is incomplete: {name}/ is missing", hint="install the package again")


def kconfigs_folder() -> Path:
    """Return the folder of kernel configuration fragments."""
    return data_folder("kconfigs")


def guest_scripts_folder() -> Path:
    """Return the folder of what runs in the guest."""
    return data_folder("guest_scripts")
