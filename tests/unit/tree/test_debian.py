"""The private apt configuration: what is asked, what is written, and that no check is relaxed."""

from __future__ import annotations

from pathlib import Path

from orchestrator.tree import debian

TARGETS = """\
Packages|trixie|main|mirror://one/debian/
Translations|trixie|main|mirror://translations/debian/
Packages|trixie|contrib|mirror://contrib/debian/
Packages|trixie-updates|main|mirror://one/debian/
Packages|trixie-security|main|mirror://one/debian-security/
Packages|nodistro|main|mirror://other/party/
Packages|trixie|main|mirror+file:/etc/apt/mirrors/debian.list
nonsense
"""


def test_archive_mirrors_when_several_archives_then_only_those_of_the_release_are_taken() -> None:
    assert debian.archive_mirrors(TARGETS, "trixie") == (
        "mirror://one/debian/",
        "mirror+file:/etc/apt/mirrors/debian.list",
    )


def test_debian_codename_when_debian_then_it_is_that() -> None:
    assert debian.debian_codename('PRETTY_NAME="x"\nID=debian\nVERSION_CODENAME=bookworm\n') == "bookworm"


def test_debian_codename_when_a_derivative_then_there_is_none() -> None:
    assert debian.debian_codename('ID=ubuntu\nID_LIKE="debian"\nVERSION_CODENAME=noble\n') is None


def test_debian_codename_when_unstable_then_it_is_sid() -> None:
    assert debian.debian_codename("ID=debian\n") == "sid"


def test_sources_line_when_made_then_it_is_signed_by_debian_and_never_trusted() -> None:
    line = debian.sources_line("mirror://one/debian/", "sid")

    assert line.startswith("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ")
    assert line.endswith("] mirror://one/debian/ sid main\n")
    assert "trusted" not in line


def test_apt_configuration_when_made_then_everything_written_lies_in_the_folder() -> None:
    text = debian.apt_configuration(Path("/private"), as_root=False)

    places = [line for line in text.splitlines() if line.startswith("Dir::")]
    assert len(places) == 9
    assert all('"/private/' in line for line in places)
    assert "Dir::Etc::parts" not in text
    assert "Sandbox" not in text


def test_apt_configuration_when_made_then_every_check_is_on_and_no_hook_runs() -> None:
    text = debian.apt_configuration(Path("/private"), as_root=True)

    assert 'APT::Get::AllowUnauthenticated "false";' in text
    assert 'Acquire::AllowInsecureRepositories "false";' in text
    assert 'Acquire::AllowDowngradeToInsecureRepositories "false";' in text
    assert "#clear APT::Update::Post-Invoke;" in text
    assert '"true"' not in text


def test_control_fields_when_several_paragraphs_then_the_first_is_taken() -> None:
    text = "Package: linux-source-7.2\nVersion: 7.2.12-1\nDescription: x\n y: z\n\nVersion: 1\n"

    assert debian.control_fields(text) == {"Package": "linux-source-7.2", "Version": "7.2.12-1", "Description": "x"}


def test_package_when_described_then_version_suite_and_checks_are_said() -> None:
    package = debian.Package(path=Path("x.deb"), name="linux-source-7.2", version="7.2.12-1", suite="sid", sha256="ab")

    assert package.describe().startswith("Debian package linux-source-7.2 7.2.12-1 from sid, SHA-256 ab; signature")
