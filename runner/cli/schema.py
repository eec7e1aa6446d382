"""`mailproof schema`: the JSON Schemas that editors complete and check keys by."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from runner.authoring.modeline import Kind, schema_name
from runner.cli.files import add_file_arguments
from runner.cli.streams import show, tell
from runner.errors import EXIT_PASSED, UsageError, escape

HELP = "write the JSON Schemas of our files, for editors"
DESCRIPTION = """\
Writes the JSON Schemas that editors complete and check keys by. With KIND it is
one schema, whole in itself; without, -o names a folder for all three, which is
made if need be: the modelines of our files look for them in schema/ beside
mailproof.yaml. Without -o too it says where those of this installation are.

  mailproof schema -o schema"""
KINDS: tuple[Kind, ...] = ("scenario", "project", "fragment")
_WIDTH = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("kind", nargs="?", default="", metavar="KIND", help=f"one of {', '.join(KINDS)}")
    add_file_arguments(parser, "it")


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.cli.files import deliver  # noqa: PLC0415
    from runner.resources import bundled  # noqa: PLC0415

    if options.kind:
        if options.kind not in KINDS:
            raise UsageError(f"there is no schema '{escape(options.kind)}'; there are {', '.join(KINDS)}")
        if deliver(_whole(options.kind), options):
            tell(f"wrote {escape(options.output)}")
    elif options.output != "-":
        _fill(Path(options.output), is_forced=options.force)
    else:
        lines = [f"{kind:<{_WIDTH}}{bundled('schema') / schema_name(kind)}" for kind in KINDS]
        show("\n".join(map(escape, lines)))
    return EXIT_PASSED


def _whole(kind: Kind) -> str:
    """Return a schema as a text, with what it takes from another one in it."""
    if kind != "fragment":
        return _text(kind)
    fragment: dict[str, Any] = json.loads(_text(kind))
    scenario: dict[str, Any] = json.loads(_text("scenario"))
    fragment["allOf"] = [{"$ref": "#/definitions/fragment_file"}]
    return json.dumps({**fragment, "definitions": scenario["definitions"]}, indent=2, ensure_ascii=False) + "\n"


def _text(kind: Kind) -> str:
    from runner.resources import bundled  # noqa: PLC0415

    return (bundled("schema") / schema_name(kind)).read_text("utf-8")


def _fill(folder: Path, *, is_forced: bool) -> None:
    """Write all schemas into a folder; those of an older version there are taken for what they are, files."""
    from runner.cli.files import make_folder, refuse_existing, write_whole  # noqa: PLC0415

    if folder.exists() and not folder.is_dir():
        raise UsageError(f"'{escape(str(folder))}' is a file; for one schema name its kind: {', '.join(KINDS)}")
    make_folder(str(folder))
    paths = {kind: str(folder / schema_name(kind)) for kind in KINDS}
    for path in paths.values():
        refuse_existing(path, is_forced=is_forced)
    for kind, path in paths.items():
        write_whole(path, _text(kind), is_private=False, may_replace=is_forced)
    tell(f"wrote {', '.join(map(escape, paths.values()))}")
    tell("commit them with your scenarios: editors of everybody who works on these then know the keys")
