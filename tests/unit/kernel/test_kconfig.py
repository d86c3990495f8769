"""Reading fragments and configurations, and finding what was lost between them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InfraError
from orchestrator.kernel.kconfig import (
    Fragment,
    affects_config,
    config_release,
    find_lost,
    parse_config,
    parse_fragment,
    render_config,
)

KCONFIGS = Path(__file__).parents[3] / "kconfigs"

symbols = st.from_regex(r"CONFIG_[A-Z0-9_]{1,20}", fullmatch=True)
values = st.one_of(
    st.sampled_from(["y", "m", "n"]),
    st.integers(min_value=0).map(str),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(lambda text: f'"{text}"'),
)
configs = st.dictionaries(symbols, values, max_size=30)


def fragment(text: str) -> Fragment:
    return Fragment(name="f.config", text=text)


@given(configs)
def test_parse_config_when_rendered_then_gives_back_the_same(config: dict[str, str]) -> None:
    assert parse_config(render_config(config)) == config


@given(configs)
def test_find_lost_when_config_is_what_was_asked_then_nothing_is_lost(config: dict[str, str]) -> None:
    assert find_lost([fragment(render_config(config))], config) == ()


@given(configs, st.data())
def test_find_lost_when_one_symbol_is_missing_then_names_exactly_it(
    config: dict[str, str], data: st.DataObject
) -> None:
    wanted = {name: value for name, value in config.items() if value != "n"}
    if not wanted:
        return
    gone = data.draw(st.sampled_from(sorted(wanted)))
    kept = {name: value for name, value in config.items() if name != gone}
    lost = find_lost([fragment(render_config(config))], kept)
    assert [item.wish.symbol for item in lost] == [gone]


@given(st.text())
def test_parse_config_when_given_anything_then_does_not_raise(text: str) -> None:
    parse_config(text)


@pytest.mark.parametrize("config", ["", "# CONFIG_IPV6 is not set\n"])
def test_find_lost_when_off_is_asked_then_absent_and_not_set_will_do(config: str) -> None:
    assert find_lost([fragment("CONFIG_IPV6=n\n")], parse_config(config)) == ()


def test_find_lost_when_off_is_asked_and_it_is_on_then_is_lost() -> None:
    (lost,) = find_lost([fragment("\nCONFIG_IPV6=n\n")], {"CONFIG_IPV6": "y"})
    assert lost.describe() == "CONFIG_IPV6=n (f.config:2) became y"


def test_find_lost_when_later_fragment_asks_otherwise_then_last_counts() -> None:
    fragments = [fragment("CONFIG_A=y\n"), Fragment(name="g.config", text="CONFIG_A=n\n")]
    assert find_lost(fragments, {}) == ()


def test_find_lost_when_one_of_two_names_survives_then_nothing_is_lost() -> None:
    text = "#: one of CONFIG_PROC_SYSCTL CONFIG_SYSCTL\nCONFIG_PROC_SYSCTL=y\nCONFIG_SYSCTL=y\n"
    assert find_lost([fragment(text)], {"CONFIG_SYSCTL": "y"}) == ()
    assert len(find_lost([fragment(text)], {})) == 2


@pytest.mark.parametrize(("release", "lost"), [((6, 12), 0), ((7, 1), 0), ((7, 2), 1), ((8, 0), 1), (None, 1)])
def test_find_lost_when_an_option_is_new_then_older_versions_may_lose_it(
    release: tuple[int, int] | None, lost: int
) -> None:
    text = "#: since 7.2\nCONFIG_NEW=y\n"
    assert len(find_lost([fragment(text)], {}, release=release)) == lost


def test_find_lost_when_an_option_is_new_then_the_line_after_it_is_asked_for_as_ever() -> None:
    text = "#: since 7.2\nCONFIG_NEW=y\nCONFIG_OLD=y\n"
    assert [item.wish.symbol for item in find_lost([fragment(text)], {}, release=(6, 12))] == ["CONFIG_OLD"]


@pytest.mark.parametrize(
    ("line", "release"),
    [
        ("# Linux/x86_64 7.2.12 Kernel Configuration", (7, 2)),
        ("# Linux/x86 6.12.0-rc3-next Kernel Configuration", (6, 12)),
        ("# Linux Kernel Configuration", None),
    ],
)
def test_config_release_when_the_head_says_it_then_is_that(line: str, release: tuple[int, int] | None) -> None:
    assert config_release(f"#\n# Automatically generated file; DO NOT EDIT.\n{line}\n#\nCONFIG_A=y\n") == release


@pytest.mark.parametrize("line", ["CONFIG ZSWAP", "#: sinze 7.2", "#: since seven", "#: one of CONFIG_A"])
def test_parse_fragment_when_line_is_unknown_then_names_file_and_line(line: str) -> None:
    with pytest.raises(InfraError, match=rf'f\.config:2: .*"{line}"'):
        parse_fragment(fragment(f"# fine\n{line}\n"))


@pytest.mark.parametrize("path", sorted(KCONFIGS.glob("*.config")), ids=lambda path: path.name)
def test_kconfigs_when_parsed_then_every_option_has_a_reason_above_it(path: Path) -> None:
    assert parse_fragment(Fragment(name=path.name, text=path.read_text()))
    has_reason = False
    for line in path.read_text().splitlines():
        has_reason = line.startswith("#") or (has_reason and bool(line)) or (has_reason and not line)
        assert has_reason or not line.startswith("CONFIG_"), line


@pytest.mark.parametrize(
    ("path", "affects"),
    [
        ("mm/zswap.c", False),
        ("mm/Makefile", False),
        ("mm/Kconfig", True),
        ("lib/Kconfig.debug", True),
        ("Makefile", True),
        ("arch/x86/Makefile", True),
        ("scripts/kconfig/conf.c", True),
        ("kernel/configs/tiny.config", True),
        ("include/linux/zswap.h", False),
    ],
)
def test_affects_config_when_path_changes_then_says_whether_to_configure_again(path: str, *, affects: bool) -> None:
    assert affects_config(path) is affects
