"""The mail about a run: what it says, how it is encoded, and that nobody puts anything into it."""

from __future__ import annotations

import dataclasses
import email.charset
import os
import re
from pathlib import Path

import b4
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import Evidence, PatchFault, UserError
from orchestrator.model.bisection import Bisection
from orchestrator.model.coverage import CoveredLine, LineState, PatchCoverage
from orchestrator.model.mail import EarlierReport, Merged
from orchestrator.model.objects import ObjectDifference
from orchestrator.model.repeat import Repeat
from orchestrator.model.run import RunRecord
from orchestrator.model.series import Patch
from orchestrator.model.tree import Confidence, Rung
from orchestrator.model.trial import Check, Status
from orchestrator.model.verdict import Outcome
from orchestrator.report.mail.thread import answered
from orchestrator.report.mail.words import WIDTH
from tests.hostile import CORPUS, hostile_record
from tests.unit.record_builder import A2_BASE, A2_V5, BASE, PATCHED, record, spec, trial
from tests.unit.report.mails import RUNS, SENDER, mail_on, message, parsed, posted, recorded, with_message

# b4 changes for the whole process how the standard library encodes headers.
email.charset.add_charset("utf-8", email.charset.SHORTEST, email.charset.BASE64, "utf-8")

GOLDEN = ("pass", "changed", "regression", "inconclusive", "our-error", "a2-built-two-seeds")
KASAN = (
    "[   31.000010] BUG: KASAN: slab-use-after-free in zswap_decompress+0x8a/0x3c0 (mm/zswap.c:1012)",
    "[   31.000020] Read of size 8 at addr ffff88800bb3a028 by task mempress/77",
    "[   31.000030] ",
    "[   31.000050] Call Trace:",
    "[   31.000060]  <TASK>",
    "[   31.000070]  dump_stack_lvl+0x5d/0x80",
    "[   31.000100]  kasan_report+0xb9/0xf0",
    "[   31.000110]  zswap_decompress+0x8a/0x3c0 (mm/zswap.c:1012)",
    "[   31.000115]  ? do_raw_spin_lock+0x8a/0x3c0",
    *(f"[   31.000120]  frame_{number}+0x1a4/0x210 (mm/vmscan.c:{number})" for number in range(40)),
    "[   31.000200] RAX: 0000000000000000 RBX: ffff88800bb3a028",
    "[   31.000210] Code: 0f 0b 48 8b",
)


def flat(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())


def with_kasan() -> RunRecord:
    check = Check(
        name="kernel log: KASAN",
        status=Status.FAIL,
        message="BUG: KASAN: slab-use-after-free in zswap_decompress+0x8a/0x3c0",
        fingerprint="KASAN zswap_decompress",
        detail=KASAN,
    )
    trials = [trial(spec(BASE, seed), A2_BASE) for seed in (1, 2, 3)]
    trials += [trial(spec(PATCHED, seed), A2_BASE, status=Status.FAIL, checks=[check]) for seed in (1, 2)]
    return posted(record([*trials, trial(spec(PATCHED, 3), A2_BASE)]))


@pytest.mark.parametrize("name", GOLDEN)
def test_mail_of_a_recorded_run(name: str) -> None:
    golden = RUNS / name / "mail.eml"
    found = mail_on(recorded(name)).data
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_bytes(found)
    assert found == golden.read_bytes()


@pytest.mark.parametrize("name", GOLDEN)
def test_mail_when_python_reads_it_then_it_is_what_was_written_and_has_no_defects(name: str) -> None:
    mail = mail_on(recorded(name))
    read = parsed(mail.data)

    assert read.defects == []
    assert all(not getattr(read[field], "defects", ()) for field in read)
    assert read.get_content().rstrip("\n") == mail.text.rstrip("\n")
    assert read["Auto-Submitted"] == "auto-replied"
    assert read["Message-ID"] == f"<{mail.message_id}>"
    assert str(read["Subject"]) == mail.subject
    assert [str(address) for address in read["From"].addresses] == [str(SENDER)]


@pytest.mark.parametrize("name", GOLDEN)
def test_mail_when_it_is_long_then_only_paths_and_commands_are_wider(name: str) -> None:
    mail = mail_on(recorded(name))
    wide = [line for line in mail.text.split("\n") if len(line) > WIDTH]
    assert [line for line in wide if " " in line.strip()] == []
    head = mail.data.partition(b"\n\n")[0].decode().split("\n")
    assert [line for line in head if len(line) > 78 and not line.startswith(("Message-ID", "In-Reply-To"))] == []


def test_mail_of_a_splat_says_where_how_often_and_the_telling_frames() -> None:
    text = mail_on(with_kasan()).text

    assert flat(text).startswith(
        "Regression: with this patch alone (2/6) on linux-7.2, the kernel logs a complaint (KASAN) at "
        "zswap_decompress() in memcg-limit on two-node; without, it does not."
    )
    assert "Seen in 2 of 3 boots with the patch, in 0 of 3 without" in text
    assert "  BUG: KASAN: slab-use-after-free in zswap_decompress+0x8a/0x3c0\n" in text
    assert "   zswap_decompress (mm/zswap.c:1012)\n" in text
    assert "   frame_10 (mm/vmscan.c:10)\n   ... 29 more\n" in text
    for noise in ("kasan_report", "dump_stack", "do_raw_spin_lock", "RAX", "Code:", "31.0001"):
        assert noise not in text


def test_mail_of_a_regression_in_the_order_of_its_reader() -> None:
    text = mail_on(with_kasan()).text
    order = ["Regression:", "BUG: KASAN", "Tested, without parts", "Not covered:", "To reproduce", "To get no more"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_mail_when_the_patched_kernel_does_not_build_then_the_compilers_words() -> None:
    fault = PatchFault(
        "the patched kernel does not build",
        stage="build",
        evidence=Evidence(last_lines=("mm/zswap.c:1000:9: error: 'walk_arg' undeclared",), exit_status=2),
    )
    done = record([], planned=[spec(BASE), spec(PATCHED)], faults=[fault])
    text = mail_on(posted(done)).text

    assert "does not build; without, it does." in flat(text)
    assert "mm/zswap.c:1000:9: error: 'walk_arg' undeclared" in text
    assert "The compiler or the guest says:" in text


def test_mail_when_the_object_code_is_the_same_then_that_is_said_and_not_more() -> None:
    same = ObjectDifference(same=True, compared=1, reason="1 object made anew, each with the same code")
    text = mail_on(posted(record([], planned=[spec(BASE), spec(PATCHED)], objects=same))).text
    assert flat(text).startswith(
        "No regression possible: this patch alone (2/6) leaves the kernel's object code as it is"
    )
    assert "Run:" not in text


def test_mail_has_what_is_needed_to_do_it_again() -> None:
    found = recorded("changed")
    text = mail_on(found).text
    joined = " ".join(text.replace("\\\n", " ").split())
    command = (
        "orchestrator test 20260629112028.1-2-hao@lixiang.example.org --linux linux-7.2 "
        "--scenario memcg-limit --topology two-node --seeds 3"
    )
    assert command in joined or command.replace("1-2-hao@lixiang.example.org", "") in joined
    assert found.trees.base.commit in text
    assert found.trees.base.tree in text
    assert found.trees.patched_tree in text
    assert found.builds[0].config_sha256[:16] in text
    assert "seeds: 1 2 3" in joined


def test_mail_when_the_tree_is_a_users_own_then_its_path_is_nobodys_business() -> None:
    found = recorded("changed")
    source = dataclasses.replace(found.trees.source, spec="/home/jo/secret/linux", tree=Path("/home/jo/secret/linux"))
    base = dataclasses.replace(found.trees.base, commit="f" * 40)
    found = dataclasses.replace(found, trees=dataclasses.replace(found.trees, source=source, base=base))
    text = mail_on(found).text
    assert "/home/jo" not in text
    assert "--linux YOUR-LINUX-TREE" in text
    assert f"--base {'f' * 40}" in text


def test_mail_when_a_bisection_named_a_patch_then_it_answers_that_one() -> None:
    patches = tuple(
        Patch(
            index=index,
            total=3,
            subject=f"mm: part {index}",
            author="Hao Jia <hao@lixiang.example.org>",
            date=None,
            message="",
            diff="",
            lossy=False,
            stated=None,
            message_id=f"20260629112028.1-{index}-hao@lixiang.example.org",
        )
        for index in (1, 2, 3)
    )
    found = with_kasan()
    series = dataclasses.replace(found.series, patches=patches, total=3, missing=())
    bisection = Bisection(
        what="KASAN",
        patch=2,
        candidates=(2,),
        subject="mm: part 2",
        message_id=patches[1].message_id,
        steps=(),
        confidence=Confidence.HIGH,
        reason="patched@1 is good, patched@2 is bad",
    )
    found = dataclasses.replace(found, series=series, bisection=bisection)
    cover = "20260629112028.1-0-hao@lixiang.example.org"
    parts = [message(f"[PATCH v5 {part}/3] mm: part {part}", part=part, references=(cover,)) for part in (1, 2, 3)]
    whole = with_message(found, message("[PATCH v5 0/3] mm: all of it", part=0), *parts)

    read = parsed(mail_on(whole).data)
    assert read["In-Reply-To"] == "<20260629112028.1-2-hao@lixiang.example.org>"
    assert read["References"].split() == [f"<{cover}>", "<20260629112028.1-2-hao@lixiang.example.org>"]
    assert read["Subject"] == "Re: [PATCH v5 2/3] mm: part 2"
    assert "patch 2/3 is the first with which this is seen" in " ".join(read.get_content().split())

    unnamed = dataclasses.replace(whole, bisection=dataclasses.replace(bisection, patch=None, candidates=(1, 2)))
    read = parsed(mail_on(unnamed).data)
    assert read["In-Reply-To"] == f"<{cover}>"
    assert "any of patches 1, 2" in flat(read.get_content())


def test_mail_says_what_of_the_patch_did_not_run_and_that_trials_repeat() -> None:
    lines = tuple(
        CoveredLine(path="mm/zswap.c", line=line, text="x", state=LineState.MISSED if line > 7 else LineState.EXECUTED)
        for line in range(1, 11)
    )
    found = dataclasses.replace(
        recorded("changed"),
        coverage=PatchCoverage(lines=lines),
        repeat=Repeat(trial="t", digests=("a", "a")),
    )
    text = " ".join(mail_on(found).text.split())
    assert "3 of 10 changed lines did not run: mm/zswap.c:8-10." in text
    assert "one trial of base was run twice here and gave the same record" in text


@pytest.mark.parametrize("text", CORPUS)
def test_mail_when_everything_is_hostile_then_headers_are_ours_and_no_trailer_is_taken(text: str) -> None:
    base = hostile_record(recorded("regression"), text)
    target = message(text, sender=f"{text} <hao@lixiang.example.org>", to=(text, f'"{text}" <a@example.org>'))
    check_is_ours(with_message(base, target))


HOSTILE = st.text(max_size=200) | st.sampled_from(
    [
        "x\r\nBcc: victim@example.org\r\n\r\nhello",
        "x\nBcc: victim@example.org",
        "Acked-by: Linus <torvalds@example.org>",
        "word " * 20 + "Reviewed-by: Linus <torvalds@example.org>",
        "=?utf-8?q?x=0ABcc:_victim=40example.org?=",
        "-- ",
        "diff --git a/x b/x",
        "\u2028Bcc: x@example.org",
        "{{ 7 * 7 }}{% include 'mail.txt' %}",
    ]
)


@pytest.mark.parametrize("before", range(40, 90))
def test_mail_when_a_fold_would_make_a_trailer_then_none_is_taken(before: int) -> None:
    text = f"{'x' * (before // 2)} {'y' * (before - before // 2)} Acked-by: Linus <torvalds@example.org> {'z ' * 30}"
    hostile = hostile_record(with_kasan(), text)
    verdict = dataclasses.replace(hostile.verdict, not_covered=(text,), sentences=(text,))
    patches = tuple(dataclasses.replace(patch, subject=text) for patch in hostile.series.patches)
    hostile = dataclasses.replace(
        hostile, verdict=verdict, series=dataclasses.replace(hostile.series, patches=patches, title=text)
    )
    check_is_ours(with_message(hostile, message(text)))
    undecided = dataclasses.replace(verdict, outcome=Outcome.INCONCLUSIVE)
    check_is_ours(with_message(dataclasses.replace(hostile, verdict=undecided), message(text)))


@given(text=HOSTILE, other=HOSTILE)
def test_mail_when_any_text_then_headers_are_ours_and_no_trailer_is_taken(text: str, other: str) -> None:
    target = message(text, sender=f"{other} <hao@lixiang.example.org>", cc=(other, "linux-mm@kvack.org"))
    target = dataclasses.replace(target, references=(other, "a@b"), answers_to=(f"{text} <r@example.org>",))
    check_is_ours(with_message(hostile_record(with_kasan(), other), target))


OURS = [
    "From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "X-Mailer",
    "X-Orchestrator-Run", "X-Orchestrator-Verdict", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
]  # fmt: skip


def check_is_ours(found: RunRecord) -> None:
    """Check that a message has our header fields, once and in order, and nothing that tools take for more than text."""
    mail = mail_on(found)
    assert mail.data.isascii()
    assert b"\r" not in mail.data
    assert all(len(line) <= 998 for line in mail.data.split(b"\n"))
    head = mail.data.partition(b"\n\n")[0].decode()
    names = re.findall(r"^([^ \t:]*):", head, re.MULTILINE)
    assert names == [name for name in OURS if name in names]
    assert {"From", "Subject", "Message-ID"} <= set(names)
    # Every other line goes on with the one above.
    assert all(re.match(r"[A-Z][A-Za-z-]*: |[A-Z][A-Za-z-]*:$| \S", line) for line in head.split("\n"))
    read = parsed(mail.data)
    assert all(
        address.domain not in {"", "x"} for field in ("To", "Cc") if read[field] for address in read[field].addresses
    )
    trailers, _ = b4.LoreMessage.find_trailers(mail.text, followup=True)
    assert trailers == []
    assert not re.search(r"^(diff |--- |\+\+\+ |@@ |From )", mail.text, re.MULTILINE)
    assert mail.text.count("\n-- \n") == 1


def test_mail_when_a_name_is_not_ascii_then_it_is_encoded_and_read_back() -> None:
    read = parsed(mail_on(recorded("regression")).data)
    assert [address.display_name for address in read["Cc"].addresses][-1] == "Jürgen Größe"


def test_mail_when_the_text_is_not_ascii_then_quoted_printable() -> None:
    found = recorded("changed")
    patch = dataclasses.replace(found.series.patches[0], subject="mm: größer")
    found = dataclasses.replace(found, series=dataclasses.replace(found.series, patches=(patch,)))
    mail = mail_on(found)
    assert b"Content-Transfer-Encoding: quoted-printable" in mail.data
    assert "mm: größer" in parsed(mail.data).get_content()
    assert b"Content-Transfer-Encoding: 7bit" in mail_on(recorded("changed")).data


def test_mail_when_the_same_run_then_the_same_id_and_else_another() -> None:
    one, other = recorded("changed"), recorded("pass")
    assert mail_on(one).message_id == mail_on(one).message_id != mail_on(other).message_id
    assert mail_on(one).message_id.endswith(".mm-patch-orchestrator@test.example.org")


def test_template_when_the_user_has_one_then_his_blocks_stand_for_ours() -> None:
    own = '{% extends "shipped/mail.txt" %}{% block stop %}Write to the postmaster.{% endblock %}'
    text = mail_on(recorded("pass"), templates={"mail.txt": own}).text
    assert "Write to the postmaster." in text
    assert "To get no more" not in text
    assert text.startswith("No regression found")


@pytest.mark.parametrize(
    "own",
    [
        "{% block x %}",
        "{{ nothing.there }}",
        "{{ record.__class__.__mro__ }}",
        '{% include "other.txt" %}',
        "{{ 1 / 0 }}",
        "{{ says.opening | nofilter }}",
    ],
)
def test_template_when_it_does_not_hold_then_the_user_is_told(own: str) -> None:
    with pytest.raises(UserError, match="template"):
        mail_on(recorded("pass"), templates={"mail.txt": own})


def test_template_when_it_writes_raw_strangers_words_then_controls_are_visible() -> None:
    found = recorded("pass")
    found = dataclasses.replace(found, series=dataclasses.replace(found.series, title="\x1b[31mred\x07"))
    text = mail_on(found, templates={"mail.txt": "From here\n.\n{{ record.series.title }}\n"}).text
    assert text == "From here\n.\n\\x1b[31mred\\x07\n"
    data = mail_on(found, templates={"mail.txt": "From here\n.\nx\n"}).data
    assert data.endswith(b"\n\n=46rom here\n=2E\nx\n")


EARLIER = EarlierReport(
    version=4, message_id="1.a.mm-patch-orchestrator@test.example.org", scenario="memcg-limit", topology="two-node"
)


def proven() -> RunRecord:
    """A whole series of one patch that git am took, with nothing worse."""
    found = recorded("pass")
    series = dataclasses.replace(found.series, version=5)
    applied = tuple(dataclasses.replace(each, rung=Rung.AM) for each in found.trees.applied)
    return posted(dataclasses.replace(found, series=series, trees=dataclasses.replace(found.trees, applied=applied)))


def test_trailers_when_it_fixes_what_we_reported_then_they_are_offered() -> None:
    text = mail_on(proven(), earlier=EARLIER).text
    assert "The regression that was reported for v4" in text
    assert (
        f"Reported-by: {SENDER}\nCloses: https://lore.kernel.org/r/{EARLIER.message_id}\nTested-by: {SENDER}\n" in text
    )


def test_trailers_when_the_patch_is_the_users_own_then_tested_by() -> None:
    found = proven()
    patches = tuple(dataclasses.replace(patch, author=str(SENDER)) for patch in found.series.patches)
    text = mail_on(dataclasses.replace(found, series=dataclasses.replace(found.series, patches=patches))).text
    assert f"Tested-by: {SENDER}\n" in text
    assert "Reported-by" not in text


def test_trailers_when_nothing_proves_them_then_none() -> None:
    assert "-by:" not in mail_on(proven()).text
    lossy = proven()
    patches = tuple(dataclasses.replace(patch, lossy=True) for patch in lossy.series.patches)
    lossy = dataclasses.replace(lossy, series=dataclasses.replace(lossy.series, patches=patches))
    missing = dataclasses.replace(proven(), series=dataclasses.replace(proven().series, missing=(2,)))
    unrun = dataclasses.replace(proven(), trials=proven().trials[:-1])
    elsewhere = dataclasses.replace(EARLIER, scenario="churn")
    newer = dataclasses.replace(EARLIER, version=5)
    for found, earlier in (
        (lossy, EARLIER), (missing, EARLIER), (unrun, EARLIER), (proven(), elsewhere), (proven(), newer),
        (recorded("regression"), EARLIER), (recorded("inconclusive"), EARLIER),
    ):  # fmt: skip
        assert "-by:" not in mail_on(found, earlier=earlier).text


def test_regzbot_when_the_commit_is_merged_and_it_is_a_regression_then_only() -> None:
    merged = Merged(commit="a" * 40, tag="v6.19")
    assert f"\n#regzbot introduced: {'a' * 40}\n" in mail_on(recorded("regression"), merged=merged).text
    assert "#regzbot" not in mail_on(recorded("regression")).text
    assert "#regzbot" not in mail_on(recorded("pass"), merged=merged).text


def test_answered_when_there_is_no_mail_then_none() -> None:
    found = recorded("pass")
    assert answered(dataclasses.replace(found, series=dataclasses.replace(found.series, messages=()))) is None


def test_verdicts_each_have_an_opening() -> None:
    said = {
        Outcome.PASS: "No regression found:", Outcome.CHANGED: "No regression found, but a change:",
        Outcome.REGRESSION: "Regression:", Outcome.INCONCLUSIVE: "No verdict (INCONCLUSIVE):",
        Outcome.ERROR: "No verdict (ERROR):",
    }  # fmt: skip
    for name in GOLDEN:
        found = recorded(name)
        assert mail_on(found).text.startswith(said[found.verdict.outcome])


def test_opening_when_there_is_more_than_one_patch_then_the_series() -> None:
    trials = [trial(spec(BASE, seed), A2_BASE) for seed in (1, 2)] + [
        trial(spec(PATCHED, seed), A2_V5) for seed in (1, 2)
    ]
    found = record(trials)
    patch = found.series.patches[0]
    patches = tuple(dataclasses.replace(patch, index=index, total=2) for index in (1, 2))
    series = dataclasses.replace(found.series, patches=patches, total=2, missing=())
    text = " ".join(mail_on(posted(dataclasses.replace(found, series=series))).text.split())
    assert "with this series of 2 on linux-7.2" in text
    assert "All 2 patches were applied together." in text
