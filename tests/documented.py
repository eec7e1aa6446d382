"""The YAML examples of the manual, and what the words behind their fences say of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import consoles  # noqa: E402 -- found by the path above
import generate  # noqa: E402
from consoles import Block  # noqa: E402

PAGES = generate.pages()
README = ROOT / "README.md"
#: What is done with an example; none of them: a scenario that compiles. `runs`, `fails` and `known` are played against
#: the embedded server, `real` against a real one.
KINDS = frozenset({"runs", "fails", "known", "real", "steps", "project", "refused", "other"})
#: Behind `runs`: what the embedded server speaks, in place of SMTP with STARTTLS.
DIALECTS = frozenset({"lmtp", "smtps", "tcp"})
#: Behind `real`: the server.
SERVERS = frozenset(
    {
        "postfix",
        "postfix-asks-certificate",
        "postfix-behind-proxy",
        "postfix-postscreen",
        "postfix-takes-xclient",
        "postfix-tls12-only",
        "exim-prdr",
        "dovecot",
        "cyrus",
        "mailbox-imap",
        "mailbox-imaps",
        "mailbox-pop3",
        "mailbox-pop3s",
        "mailbox-sieve",
        "chain",
        "strict-imap",
        "strict-pop3",
    }
)
PLAYED = ("runs", "fails", "known", "real")


def name_of(page: Path) -> str:
    """Return what failing tests call a page."""
    return str(page.relative_to(ROOT))


def all_blocks() -> Iterator[tuple[Path, Block]]:
    """Yield the fenced blocks of every page."""
    for page in (README, *PAGES):
        for block in consoles.blocks(page.read_text("utf-8")):
            yield page, block


def yaml_blocks(*kinds: str) -> list[object]:
    """Return the yaml blocks that have one of the words (an empty one: those with none), as parameters."""
    return [
        pytest.param(block, id=f"{name_of(page)}:{block.line}")
        for page, block in all_blocks()
        if block.language == "yaml" and set(block.words or ("",)) & set(kinds)
    ]
