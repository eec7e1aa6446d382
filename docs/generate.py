"""Write the generated parts of the manual: key tables from the schemas, options from the parser, outputs from runs.

    python docs/generate.py           rewrites what has changed
    python docs/generate.py --check   writes nothing; ends with 1 if anything would change

A generated part of a page stands between `<!-- generated: NAME -->` and `<!-- end -->`; `PARTS` has the names.
The outputs in `console` blocks come from really running their commands, see `consoles`.
"""

# This is a script and no package; it prints what it has done.
# ruff: noqa: INP001, T201

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

import consoles  # noqa: E402 -- found by the path above
from reference import PARTS  # noqa: E402

_PART = re.compile(r"(<!-- generated: ([a-z0-9-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def pages(folder: Path = DOCS) -> list[Path]:
    """Return the pages of the manual."""
    return sorted(folder.rglob("*.md"))


def fill_parts(text: str) -> str:
    """Return a page with its generated parts written anew.

    Raises:
        KeyError: a part has a name that `PARTS` lacks.
    """
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]().strip()}\n\n{part[4]}", text)


def main(arguments: list[str] | None = None, folder: Path = DOCS) -> int:
    """Rewrite the pages of a folder, or with `--check` say which are out of date; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the manual.")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if a page is out of date")
    is_check = parser.parse_args(arguments).check
    stale = 0
    for page in pages(folder):
        before = page.read_text("utf-8")
        after = consoles.fill(fill_parts(before))
        if after == before:
            continue
        stale += 1
        state = "out of date: run python docs/generate.py" if is_check else "rewritten"
        print(f"{page.relative_to(folder.parent)} is {state}")
        if not is_check:
            page.write_text(after, "utf-8")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
