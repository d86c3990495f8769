"""Header fields: whatever goes in, one field comes out, and Python's parser reads back what a person would."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report.mail.headers import Address, addresses_field, field, ids_field, is_address, is_message_id

TEXT = st.text(max_size=300) | st.text(alphabet='a \r\n\t:<>"\\=?äé漢\x00\x1b\u2028', max_size=120)
LOCAL = st.text(alphabet="abcXYZ0189.+-_='", min_size=1, max_size=20)


def read(raw: str, name: str) -> object:
    """Return a field as a mail program reads it; there is no other in the message."""
    message = email.message_from_string(f"{raw}\n\nbody\n", policy=email.policy.default)
    assert message.keys() == [name]
    assert message.get_content() == "body\n"
    assert message.defects == []
    return message[name]


def seen(text: str) -> str:
    """Return what is left of a text in one line: characters that can be seen, single blanks."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


@given(text=TEXT)
def test_field_is_read_back(text: str) -> None:
    raw = field("Subject", text)
    assert raw.isascii()
    assert all(len(line) <= 76 for line in raw.split("\n"))
    assert "".join(str(read(raw, "Subject")).split()) == "".join(seen(text).split())


@given(name=TEXT, local=LOCAL, other=LOCAL)
def test_addresses_are_read_back(name: str, local: str, other: str) -> None:
    addresses = [
        Address(seen(name)[:100], f"{each}@example.org") for each in (local, other) if is_address(f"{each}@example.org")
    ]
    raw = addresses_field("To", addresses)
    assert raw.isascii()
    found = read(raw, "To")
    assert [each.addr_spec for each in found.addresses] == [each.address for each in addresses]  # type: ignore[attr-defined]
    names = ["".join(each.display_name.split()) for each in found.addresses]  # type: ignore[attr-defined]
    assert names == ["".join(each.name.split()) for each in addresses]


@given(ids=st.lists(TEXT | st.just("20260629.1-0-a@example.org"), max_size=5))
def test_ids_are_only_what_is_one(ids: list[str]) -> None:
    raw = ids_field("References", ids)
    found = str(read(raw, "References")).split()
    assert found == [f"<{each}>" for each in ids if is_message_id(each)]


@pytest.mark.parametrize("name", ["", "Bcc\n", "X Y", "x:", "É"])
def test_field_when_its_name_is_none_then_a_bug_of_ours(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        field(name, "x")


def test_field_when_a_word_is_endless_then_it_is_folded() -> None:
    raw = field("Subject", "A" * 5000)
    assert all(len(line) <= 76 for line in raw.split("\n"))
    assert read(raw, "Subject") == "A" * 5000
