"""Mails that the tests make: small, and broken in one way each."""

from __future__ import annotations

import zlib
from pathlib import Path

DATA = Path(__file__).parents[2] / "data"
REVIEW = DATA / "mail" / "re-patch-v5-2-6-mm-zswap-support-batch-writeback.txt"

BLANK = " "

DIFF = f"""\
diff --git a/mm/demo.c b/mm/demo.c
index 1111111111..2222222222 100644
--- a/mm/demo.c
+++ b/mm/demo.c
@@ -1,5 +1,6 @@ int demo(void)
 int demo(void)
 {{
-\treturn 0;
+\tint one = 1;
+\treturn one;
 }}
{BLANK}
"""

STAT = " mm/demo.c | 3 ++-\n 1 file changed, 2 insertions(+), 1 deletion(-)\n"


def patch_mail(
    *,
    tag: str = "PATCH",
    title: str = "mm: demo",
    diff: str = DIFF,
    message: str = "Because.\n\nSigned-off-by: A Uthor <a@example.org>",
    tail: str = "-- \n2.39.5\n",
    message_id: str = "",
    separator: bool = True,
) -> str:
    """Return one mail as git format-patch writes it; its message id is made of what is in it."""
    message_id = message_id or f"<{zlib.crc32((tag + title + diff + message).encode('utf-8', 'replace'))}@example.org>"
    first = "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n" if separator else ""
    return (
        f"{first}From: A Uthor <a@example.org>\nDate: Mon, 29 Jun 2026 19:20:28 +0800\n"
        f"Subject: [{tag}] {title}\nMessage-ID: {message_id}\n\n{message}\n---\n{STAT}\n{diff}{tail}\n"
    )
