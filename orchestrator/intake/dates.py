"""Dates as mails and archives write them, as one form: ISO 8601 in UTC. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

_ISO = re.compile(r"(?P<day>\d{4}-\d\d-\d\d)[ T](?P<time>\d\d?:\d\d)(?::(?P<seconds>\d\d))?")
# lkml.iu.edu: "Mon Jun 29 2026 - 20:21:31 EST"
_HYPERMAIL = re.compile(
    r"[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) +(?P<day>\d\d?) (?P<year>\d{4}) - (?P<time>\d\d:\d\d:\d\d)(?P<zone> \w+)?"
)
_WROTE = ("%a, %b %d, %Y at %I:%M:%S%p %z", "%a, %b %d, %Y at %I:%M %p %z", "%a, %d %b %Y %H:%M:%S %z")


def iso_utc(text: str | None) -> str | None:
    """Return a date in ISO 8601, UTC, to the second; None when there is none or nobody can read it."""
    when = read_date(text)
    return None if when is None else when.astimezone(UTC).isoformat(timespec="seconds")


def read_date(text: str | None) -> datetime | None:
    """Return a date of a mail (RFC 5322) or of an archive's page; without a zone it is taken for UTC."""
    if not text or len(text) > 200:
        return None
    flat = " ".join(text.split())
    if match := _HYPERMAIL.search(flat):
        flat = f"{match['day']} {match['month']} {match['year']} {match['time']}{match['zone'] or ''}"
    try:
        if match := _ISO.match(flat):
            when = datetime.fromisoformat(f"{match['day']} {match['time'].zfill(5)}:{match['seconds'] or '00'}")
        else:
            when = parsedate_to_datetime(flat)
        aware = when if when.tzinfo else when.replace(tzinfo=UTC)
        aware.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return aware


def wrote_date(text: str) -> str | None:
    """Return the date of an ``On ..., X wrote:`` line as mails write dates, None when it is written another way."""
    for form in _WROTE:
        try:
            return format_datetime(datetime.strptime(" ".join(text.split()), form))  # noqa: DTZ007 - with %z
        except ValueError:
            continue
    return None
