"""A series: the patches of one posting, as intake hands them on. Nothing here knows how a mail is read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """What kind of input a series was read from."""

    FORMAT_PATCH = "format-patch file"
    MAIL = "mail"
    MBOX = "mbox"
    MAILDIR = "Maildir"
    DIRECTORY = "directory of patches"
    FILES = "list of files"
    ARCHIVED_PAGE = "archived page"
    GIT_RANGE = "git range"
    B4 = "thread that b4 fetched"
    DIFF = "plain diff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diffstat:
    """What a mail says (or a tree shows) that a patch changes: files, added and removed lines."""

    files: tuple[str, ...]
    insertions: int
    deletions: int

    def describe(self) -> str:
        """Return it in git's words."""
        count = len(self.files)
        return (
            f"{count} file{'' if count == 1 else 's'} changed, "
            f"{self.insertions} insertion{'' if self.insertions == 1 else 's'}(+), "
            f"{self.deletions} deletion{'' if self.deletions == 1 else 's'}(-)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A file as a patch expects it: ``blob`` is the (abbreviated) id before the patch, of the diff's ``index`` line.

    Of a later patch it may be the work of an earlier one, and then is in no commit of the tree.
    """

    path: str
    blob: str


class PrerequisiteKind(StrEnum):
    """How a series names what has to be there before it."""

    PATCH_ID = "prerequisite-patch-id"
    MESSAGE_ID = "prerequisite-message-id"
    CHANGE_ID = "prerequisite-change-id"
    DEPENDS_ON = "Depends-on"
    BASED_ON = "Based-on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisite:
    """Something that the series builds on. ``value`` is as written; ``message_id`` (no angle brackets) where it names one.

    The value of a patch id is a stable patch id of git-patch-id(1); of a change id ``<change-id>:v<version>``.
    """

    kind: PrerequisiteKind
    value: str
    message_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierVersion:
    """A link of the mail's text to an earlier version; ``version`` None where it does not say which."""

    version: int | None
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailer:
    """A trailer such as Reviewed-by that an answer gave: never a part of the patch. ``sender`` is who wrote the answer."""

    name: str
    value: str
    sender: str
    message_id: str | None = None


class Trust(StrEnum):
    """What became of a signature."""

    GOOD = "good"
    BAD = "bad"
    NONE = "none"
    UNCHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One check of a mail's signature: ``scheme`` is DKIM or patatt, ``identity`` whose key it is, ``detail`` the reason."""

    scheme: str
    trust: Trust
    identity: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A mail that the series came in, as one needs it to answer it. ``part`` is 0 for the cover letter.

    Message ids stand without angle brackets, ``references`` oldest first. ``subject`` is whole, with its brackets;
    ``answers_to`` is the Reply-To header. ``automatic`` says how one sees that a program sent it ("Auto-Submitted:
    auto-generated"), "" where a person did: a program never answers such a mail (RFC 3834).
    """

    part: int
    subject: str
    sender: str
    message_id: str | None = None
    references: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    answers_to: tuple[str, ...] = ()
    automatic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One patch. ``diff`` is unified-diff text with line feeds as line ends, every hunk complete by its header's counts.

    ``lossy`` says that white space of the diff is not to be trusted (an archive folded it); such a patch can only be
    placed by :mod:`orchestrator.tree.recover`. ``date`` is the author's date as the mail writes it, ``sent`` the mail's
    own in ISO 8601, UTC. ``specials`` says in words what is more than a change of lines: renames, modes, symbolic links.
    ``from_version`` is the version of the mail where that is not the series' own (a partial re-roll).
    """

    index: int
    total: int
    subject: str
    author: str
    date: str | None
    message: str
    diff: str
    lossy: bool
    stated: Diffstat | None
    message_id: str | None = None
    sent: str | None = None
    from_version: int | None = None
    blobs: tuple[Blob, ...] = ()
    specials: tuple[str, ...] = ()
    trailers: tuple[Trailer, ...] = ()
    signatures: tuple[Signature, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The patches of one posting, in order; ``missing`` names the parts 1..total that the input does not hold.

    ``alone`` says that the input is one message of several: then that patch itself is what to test. Message ids stand
    without angle brackets; ``message_ids`` are those of the cover letter, if there is one, and of the patches.
    ``sent`` is the earliest date of these mails in ISO 8601, UTC. ``lists`` are list ids (``linux-mm.kvack.org``), of
    List-Id headers first, then made of To and Cc. ``tags`` are the other words of the subject's brackets
    (``mm-unstable``, ``RFC``, ``RESEND``). ``notes`` say which of several readings was taken. ``messages`` are the mails
    themselves, the cover letter first; () where there are none, as of a diff.
    """

    title: str
    version: int
    form: Form
    source: str
    patches: tuple[Patch, ...]
    total: int
    missing: tuple[int, ...] = ()
    cover: str | None = None
    base_commit: str | None = None
    message_ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    alone: bool = False
    sender: str = ""
    sent: str | None = None
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    change_id: str | None = None
    versions: tuple[int, ...] = ()
    earlier: tuple[EarlierVersion, ...] = ()
    prerequisites: tuple[Prerequisite, ...] = ()
    trailers: tuple[Trailer, ...] = ()
    messages: tuple[Message, ...] = ()
