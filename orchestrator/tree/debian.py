"""Debian's binary package ``linux-source-X.Y``, fetched with a private apt configuration.

The machine's own apt says where its Debian mirror is and how to reach it (proxies and certificates of
``/etc/apt/apt.conf.d`` stay in force); everything that apt writes goes to a folder of ours, so the system's lists,
sources and caches stay as they are. The chain is apt's own: InRelease against Debian's archive keyring, the index
against InRelease, the package against the index. Nothing here relaxes it.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import Evidence, InfraError, OrchestratorError
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.workspace import file_sha256

SUITES = ("trixie-backports", "sid", "trixie")
"""Where ``linux-source-X.Y`` is looked for, in this order: current kernels, then the stable release's own."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

UPDATE_S = 600.0
DOWNLOAD_S = 1800.0


class NotInDebian(OrchestratorError):
    """Debian cannot give this machine the package; the message says why. The next origin is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A downloaded package whose signature chain apt has checked."""

    path: Path
    name: str
    version: str
    suite: str
    sha256: str

    def describe(self) -> str:
        """Return where it came from and how that was checked, in one line."""
        return (
            f"Debian package {self.name} {self.version} from {self.suite}, SHA-256 {self.sha256}; "
            "signature chain checked by apt against Debian's archive keyring"
        )


def fetch_package(name: str, *, scratch: Path, cancellation: Cancellation) -> Package:
    """Download the candidate of package ``name`` into ``scratch``, looking in :data:`SUITES` in order.

    Raises :class:`NotInDebian` when this is no Debian, no suite has it, or the mirror cannot be reached.
    """
    if process.find_program("apt-get") is None or not KEYRING.exists():
        raise NotInDebian("this machine has no apt or no Debian archive keyring")
    codename = debian_codename(_os_release())
    if codename is None:
        raise NotInDebian("this machine is not Debian")
    found = process.run(
        ["apt-get", "indextargets", "--format", "$(CREATED_BY)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)"],
        deadline=Deadline(60, what="apt-get indextargets", cancellation=cancellation),
    )
    mirrors = archive_mirrors(found.stdout, codename)
    if not mirrors:
        raise NotInDebian("this machine's apt has no mirror of Debian's archive")
    reasons = []
    for suite in SUITES:
        for mirror in mirrors:
            try:
                return _fetch_from(mirror, suite, name=name, scratch=scratch, cancellation=cancellation)
            except NotInDebian as error:
                reasons.append(error.describe())
    raise NotInDebian(f"Debian has no {name} for this machine: {'; '.join(reasons)}")


def debian_codename(os_release: str) -> str | None:
    """Return the codename in a text of os-release(5) if it names Debian itself, else None.

    A derivative's mirror does not hold Debian's suites. Unstable has no codename there; its name is ``sid``.
    """
    fields = dict(line.strip().replace('"', "").partition("=")[::2] for line in os_release.splitlines())
    return fields.get("VERSION_CODENAME", "sid") if fields.get("ID") == "debian" else None


def archive_mirrors(indextargets: str, codename: str) -> tuple[str, ...]:
    """Return the URIs of Debian's main archive from lines ``created-by|release|component|uri``, in order, once each.

    An archive that serves the machine's own release with a component ``main`` is Debian's own, or a third party's
    that uses the same names: the keyring tells the two apart later. Security has an archive of its own, without suites.
    """
    releases = {codename, f"{codename}-updates", "stable", "stable-updates", "testing", "unstable", "sid"}
    mirrors: list[str] = []
    for line in indextargets.splitlines():
        created_by, _, rest = line.partition("|")
        release, _, rest = rest.partition("|")
        component, _, uri = rest.partition("|")
        if created_by == "Packages" and component == "main" and release in releases and uri not in mirrors:
            mirrors.append(uri)
    return tuple(mirrors)


def sources_line(mirror: str, suite: str) -> str:
    """Return the one line of our sources.list: signed by Debian's keyring, and only the index of packages fetched."""
    return f"deb [signed-by={KEYRING} target=Packages lang=none] {mirror} {suite} main\n"


def apt_configuration(folder: Path, *, as_root: bool) -> str:
    """Return an apt.conf(5) that keeps everything apt writes in ``folder``, and keeps every check on.

    It is given with ``-c``, which is read after the system's configuration and so wins over it.
    """
    places = {
        "Dir::State": folder / "state",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Log": folder / "log",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": folder / "empty",
        "Dir::Etc::preferences": folder / "preferences",
        "Dir::Etc::preferencesparts": folder / "empty",
    }
    lines = [f'{key} "{value}";' for key, value in places.items()]
    # The system's hooks act on the system (docker's images remove the system's archive in one of them).
    hooks = ("Pre-Invoke", "Post-Invoke", "Post-Invoke-Success", "Post-Invoke-Stats")
    lines += [f"#clear APT::Update::{hook};" for hook in hooks]
    refused = ("AllowInsecureRepositories", "AllowWeakRepositories", "AllowDowngradeToInsecureRepositories")
    lines += [f'Acquire::{option} "false";' for option in refused]
    lines += ['APT::Get::AllowUnauthenticated "false";', 'APT::Update::Error-Mode "any";', 'Acquire::Retries "3";']
    if as_root:
        # apt drops to the user _apt for downloads, who may not write to our folder; it would warn and go on as root.
        lines.append('APT::Sandbox::User "root";')
    return "\n".join(lines) + "\n"


def _fetch_from(mirror: str, suite: str, *, name: str, scratch: Path, cancellation: Cancellation) -> Package:
    """Fetch the package from one suite of one mirror; :class:`NotInDebian` when it is not there."""
    folder = scratch / f"apt-{suite}"
    configuration = _lay_out(folder, sources_line(mirror, suite))
    _apt(["update", "-q"], configuration, Deadline(UPDATE_S, what="apt-get update", cancellation=cancellation))
    shown = process.run(["apt-cache", "-c", configuration, "show", "--no-all-versions", name])
    if not shown.ok:
        raise NotInDebian(f"{suite} has no {name}")
    fields = control_fields(shown.stdout)
    version, sha256 = fields.get("Version", ""), fields.get("SHA256", "")
    deadline = Deadline(DOWNLOAD_S, what=f"download of {name}", cancellation=cancellation)
    _apt(["download", "-q", f"{name}={version}"], configuration, deadline, cwd=folder)
    path = next(folder.glob("*.deb"), None)
    if path is None or file_sha256(path) != sha256:
        raise InfraError(f"the downloaded {name} {version} is not the file that Debian's signed index names")
    return Package(path=path, name=name, version=version, suite=suite, sha256=sha256)


def control_fields(text: str) -> dict[str, str]:
    """Return the one-line fields of the first paragraph of a Debian control file."""
    fields: dict[str, str] = {}
    for line in text.split("\n\n", maxsplit=1)[0].splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "\t")):
            fields[key] = value.strip()
    return fields


def extract_tarball(package: Package, target: Path, *, cancellation: Cancellation) -> Path:
    """Write the tarball that the package holds to ``target`` and return that."""
    member = f"./usr/src/{package.name}.tar.xz"
    deadline = Deadline(DOWNLOAD_S, what=f"unpacking of {package.path.name}", cancellation=cancellation)
    unpack = ["dpkg-deb", "--fsys-tarfile", str(package.path)]
    pick = ["tar", "--extract", "--to-stdout", "--file=-", member]
    with (
        target.open("wb") as out,
        process.running(unpack, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as whole,
        process.running(pick, stdin=whole.popen.stdout or -1, stdout=out, stderr=subprocess.DEVNULL) as part,
    ):
        if whole.popen.stdout is not None:
            # Ours is a copy: with it open, the first would not see the second end.
            whole.popen.stdout.close()
        status = part.wait(deadline)
    if status != 0:
        raise InfraError(f"{package.path.name} holds no {member}", evidence=Evidence(command=part.command))
    return target


def _lay_out(folder: Path, sources: str) -> Path:
    """Make apt's private folders and files in ``folder`` and return the configuration's path."""
    for name in ("state", "lists/partial", "cache/archives/partial", "log", "empty"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "preferences").touch()
    (folder / "sources.list").write_text(sources)
    configuration = folder / "apt.conf"
    configuration.write_text(apt_configuration(folder, as_root=os.geteuid() == 0))
    return configuration


def _apt(args: list[str], configuration: Path, deadline: Deadline, *, cwd: Path | None = None) -> None:
    """Run apt-get with our configuration; :class:`NotInDebian` with its own words when it fails."""
    finished = process.run(["apt-get", "-c", str(configuration), *args], deadline=deadline, cwd=cwd)
    if not finished.ok:
        raise NotInDebian(f"apt-get {args[0]} failed", evidence=finished.evidence())


def _os_release() -> str:
    for name in ("/etc/os-release", "/usr/lib/os-release"):
        if Path(name).exists():
            return Path(name).read_text(errors="replace")
    return ""
