"""Moments as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_MINUTE, _HOUR = 60, 3600


def format_when(stamp: str, now: datetime) -> str:
    """Return when ``stamp`` (ISO 8601 with a zone) was, seen from ``now`` and in its zone; ``stamp`` itself where it is none.

    "just now", "12 min ago", "3 h ago" (today), "yesterday 15:37", "Mon 15:37" (this week), "2026-11-03".
    """
    try:
        then = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    then = then.astimezone(now.tzinfo)
    ago = (now - then).total_seconds()
    days = (now.date() - then.date()).days
    if ago < -_MINUTE or days >= 7:
        return then.strftime("%Y-%m-%d")
    if ago < _MINUTE:
        return "just now"
    if ago < _HOUR:
        return f"{int(ago // _MINUTE)} min ago"
    if days == 0:
        return f"{int(ago // _HOUR)} h ago"
    if now.date() - then.date() == timedelta(days=1):
        return f"yesterday {then:%H:%M}"
    return f"{then:%a %H:%M}"
