"""RUN RECORD → MAIL: an RFC 5322 message that answers the patch. Pure: nothing is read, nothing is sent.

The text is a jinja2 template (``templates/mail.txt``); users put one of the same name into their configuration folder, which
may extend ours (``{% extends "shipped/mail.txt" %}``) and replace single blocks.
"""

from __future__ import annotations

import hashlib
import quopri
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import partial
from importlib import resources

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from orchestrator.errors import UserError
from orchestrator.model.mail import EarlierReport, MailPolicy, Merged
from orchestrator.model.run import RunRecord
from orchestrator.model.series import Message
from orchestrator.model.verdict import Outcome
from orchestrator.report.mail import words
from orchestrator.report.mail.headers import Address, addresses_field, field, ids_field
from orchestrator.report.mail.says import base_name, says
from orchestrator.report.mail.thread import OWN_ID, Recipients, policy_of, references, subject_of
from orchestrator.report.mail.trailers import Vouched, vouched

TEMPLATE = "mail.txt"
SHIPPED = "shipped/"
LONGEST_LINE = 900
"""Characters of a line: RFC 5322 allows 998 octets with their line end, and UTF-8 is encoded anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a mail needs beside the record: who writes, whom it answers and goes to, when; and what vouches for more.

    ``templates`` are the user's, by name; ``version`` is the orchestrator's own.
    """

    sender: Address
    message: Message | None
    recipients: Recipients
    policy: MailPolicy
    now: datetime
    version: str = ""
    templates: Mapping[str, str] | None = None
    earlier: EarlierReport | None = None
    merged: Merged | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedMail:
    """A message: ``data`` is RFC 5322 with line feeds, ASCII throughout; ``text`` is its body as it is read."""

    data: bytes
    text: str
    message_id: str
    subject: str


def compose(record: RunRecord, occasion: Occasion) -> ComposedMail:
    """Return the mail about a run. Raises :class:`UserError` for a template of the user's that does not hold."""
    text = body(record, occasion)
    message_id = own_message_id(record, occasion)
    subject = subject_of(record, occasion.message)
    above = references(occasion.message) if occasion.message is not None else ()
    fields = [
        addresses_field("From", [occasion.sender]),
        *([addresses_field("To", occasion.recipients.to)] if occasion.recipients.to else []),
        *([addresses_field("Cc", occasion.recipients.cc)] if occasion.recipients.cc else []),
        field("Subject", subject),
        field("Date", format_datetime(occasion.now)),
        ids_field("Message-ID", [message_id]),
        *([ids_field("In-Reply-To", above[-1:]), ids_field("References", above)] if above else []),
        "Auto-Submitted: auto-replied",
        field("X-Mailer", f"mm-patch-orchestrator {occasion.version}"),
        field("X-Orchestrator-Run", record.run_id),
        field("X-Orchestrator-Verdict", str(record.verdict.outcome)),
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=UTF-8",
    ]
    encoding, encoded = _encoded(text)
    head = "\n".join([*fields, f"Content-Transfer-Encoding: {encoding}"])
    return ComposedMail(data=f"{head}\n\n".encode("ascii") + encoded, text=text, message_id=message_id, subject=subject)


def own_message_id(record: RunRecord, occasion: Occasion) -> str:
    """Return the mail's id: the same for the same run and readers, so that a copy that is sent twice is one message."""
    whom = sorted(address.key for address in occasion.recipients.everybody)
    answers = occasion.message.message_id if occasion.message is not None else ""
    said = "\0".join([record.run_id, str(record.verdict.outcome), answers or "", *whom])
    digest = hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:20]
    return f"{digest}{OWN_ID}{occasion.sender.address.rpartition('@')[2]}"


def body(record: RunRecord, occasion: Occasion) -> str:
    """Return the mail's text."""
    vouch = vouched(record, occasion.sender, earlier=occasion.earlier, merged=occasion.merged)
    variables = {
        "says": says(record, occasion.message),
        "record": record,
        "fixed": _on_earlier(record, vouch),
        "trailers": vouch.lines,
        "trailers_intro": vouch.intro,
        "stop": _stop(occasion),
        "signature": f"mm-patch-orchestrator {occasion.version}".rstrip() + f"\nrun {record.run_id}",
    }
    try:
        rendered = _environment(occasion.templates or {}).get_template(TEMPLATE).render(variables)
    except jinja2.TemplateError as error:
        where = f" (line {error.lineno})" if isinstance(error, jinja2.TemplateSyntaxError) else ""
        raise UserError(
            f"the template {TEMPLATE} of your configuration does not hold{where}: {error.message or error}",
            hint="compare it with orchestrator/report/templates/mail.txt",
        ) from error
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        if not occasion.templates:
            raise
        raise UserError(f"the template {TEMPLATE} of your configuration does not hold: {error}") from error
    return _tidy(rendered)


def shipped_template() -> str:
    """Return our own template."""
    return resources.files("orchestrator.report").joinpath("templates", TEMPLATE).read_text(encoding="utf-8")


def _environment(own: Mapping[str, str]) -> jinja2.Environment:
    shipped = shipped_template()
    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.DictLoader({TEMPLATE: shipped, f"{SHIPPED}{TEMPLATE}": shipped, **own}),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "fill": words.paragraph,
        "dashes": words.items,
        "command": words.command,
        "facts": _facts,
        "counted": words.counted,
        "strangers": words.strangers,
        "numbers": words.numbers,
    }
    return environment


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    width = max((len(name) for name, _ in facts), default=0) + 2
    paragraph = partial(words.paragraph, hanging=" " * (width + 2))
    return "\n".join(paragraph(value, f"  {name}:".ljust(width + 2)) for name, value in facts)


def _on_earlier(record: RunRecord, vouch: Vouched) -> str:
    earlier = vouch.earlier
    if earlier is None:
        return ""
    return (
        f"The regression that was reported for v{earlier.version} (in {earlier.scenario} on {earlier.topology}) is not "
        f"seen any more with v{record.series.version} on {base_name(record)}."
    )


def _stop(occasion: Occasion) -> str:
    lists = [address.address for address in occasion.recipients.lists]
    why = f"This mail was written by a program, and answers a patch that was sent to {words.listed(lists)}."
    if not lists:
        why = "This mail was written by a program, and answers a patch."
    how = occasion.policy.stop or (
        f"To get no more of them, for your patches or for a list, answer this one and say so: {occasion.sender.address} "
        "is read by a person."
    )
    archive = next(
        (entry.archive for each in occasion.recipients.lists if (entry := policy_of(each, occasion.policy)).archive), ""
    )
    return f"{why} {how}" + (f" Archive: {archive}" if archive else "")


def _tidy(text: str) -> str:
    """Return a rendered template as a mail's text: visible characters, no blanks at line ends, no gaps."""
    lines: list[str] = []
    for raw in text.split("\n"):
        seen = "".join(char if _is_seen(char) else f"\\x{ord(char):02x}" for char in raw.replace("\t", "        "))
        line = "-- " if seen in {"-- ", "--"} else seen.rstrip()
        for piece in [line[at : at + LONGEST_LINE] for at in range(0, max(len(line), 1), LONGEST_LINE)]:
            if piece or (lines and lines[-1]):
                lines.append(piece)
    return "\n".join(lines).strip("\n") + "\n"


def _is_seen(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _encoded(text: str) -> tuple[str, bytes]:
    """Return a text's transfer encoding and its octets: as it is where any mail server takes that, else quoted-printable."""
    begins = any(line.startswith(("From ", ".")) for line in text.split("\n"))
    if text.isascii() and not begins:
        return "7bit", text.encode("ascii")
    encoded = quopri.encodestring(text.encode(), quotetabs=False)
    # A line "From ..." becomes ">From ..." in mailboxes, a lone dot ends a message (RFC 2049, section 3).
    lines = [
        b"=%02X" % line[0] + line[1:] if line.startswith((b"From ", b".")) else line for line in encoded.split(b"\n")
    ]
    return "quoted-printable", b"\n".join(lines)


def is_for_lists(outcome: Outcome) -> bool:
    """Whether a verdict is one that a list may be told: what we did not find out is nobody's mail."""
    return outcome not in {Outcome.INCONCLUSIVE, Outcome.ERROR}
