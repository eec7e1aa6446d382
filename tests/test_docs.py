"""The manual: its generated parts are up to date, its examples are right, its links lead somewhere."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import indent

import pytest
import yaml

from runner.cli.command_line import COMMANDS, make_parser
from runner.demo import DemoServer, DemoSettings
from runner.errors import Problem, SourceFile
from runner.language.case import Given
from runner.language.compile import compile_scenario
from runner.language.model import Scenario
from runner.language.paths import resolve_inside
from runner.language.project import SecretRef, Target, load_project, parse_target
from runner.language.target import SCHEMES
from runner.results import Outcome
from runner.scheduler import Scheduler, plan
from tests.documented import (
    DIALECTS,
    DOCS,
    KINDS,
    PAGES,
    README,
    ROOT,
    SERVERS,
    Block,
    all_blocks,
    consoles,
    generate,
    name_of,
    yaml_blocks,
)

from reference import PARTS  # isort: skip -- found by the path that `documented` adds

# Whom the embedded servers know: the users of the manual's table.
USERS = {"alice@example.com": "see-your-vault"}


def compiled(text: str, problems: list[Problem], name: str = "example.yaml") -> Scenario | None:
    return compile_scenario(SourceFile(name, text), partial(resolve_inside, DOCS, DOCS), problems)


# What is generated.


def test_generated_parts_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """Tables are what the code says, and outputs what the commands print."""
    code = generate.main(["--check"])
    assert (0, "") == (code, capsys.readouterr().out)


def test_a_stale_part_is_told_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` ends with 1 and writes nothing; without it the page is as it was before it was spoilt."""
    page = tmp_path / "docs" / "cli.md"
    page.parent.mkdir()
    shutil.copy(DOCS / "cli.md", page)
    right = page.read_text("utf-8")
    wrong = right.replace("| `1` |", "| `7` |")
    assert right != wrong
    page.write_text(wrong, "utf-8")
    assert 1 == generate.main(["--check"], page.parent)
    assert wrong == page.read_text("utf-8")
    assert "docs/cli.md is out of date" in capsys.readouterr().out
    assert 0 == generate.main([], page.parent)
    assert right == page.read_text("utf-8")


def test_every_table_stands_in_the_manual() -> None:
    """No part is made that no page shows."""
    text = "".join(page.read_text("utf-8") for page in PAGES)
    assert set(PARTS) == set(re.findall(r"<!-- generated: ([a-z0-9-]+) -->", text))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("1 passed in 0.04 s", "1 passed in 12.30 s", True, id="time"),
        pytest.param("queued as 0A1B2C", "queued as FFFFFFFF", True, id="queue id"),
        pytest.param("a  b\n", "a b\n", True, id="column width"),
        pytest.param("1 passed", "2 passed", False, id="count"),
        pytest.param("550 5.7.1", "550 5.7.2", False, id="status"),
    ],
)
def test_outputs_are_compared_without_what_changes(one: str, other: str, same: bool) -> None:
    """A time may differ between a page and a run, a verdict may not."""
    assert same == consoles.is_same(one, other)


# Examples.


def test_every_yaml_block_has_a_known_kind() -> None:
    """A word that no test knows would leave its example unchecked."""
    found = {block.words for _, block in all_blocks() if block.language == "yaml"}
    kinds = {words[:1] for words in found}
    assert kinds <= {(), *((kind,) for kind in KINDS)}
    others = {(words[0], word) for words in found for word in words[1:]}
    assert others <= {*(("runs", word) for word in DIALECTS), *(("real", word) for word in SERVERS)}


@pytest.mark.parametrize("block", yaml_blocks("", "runs", "fails", "known"))
def test_scenario_compiles(block: Block) -> None:
    """A block without a word is a whole scenario without a mistake."""
    problems: list[Problem] = []
    compiled(block.text, problems)
    assert [] == [problem.render() for problem in problems]


@pytest.mark.parametrize("block", yaml_blocks("steps"))
def test_steps_compile(block: Block) -> None:
    """A block of steps is right in a scenario."""
    problems: list[Problem] = []
    compiled("name: An example\nsteps:\n" + indent(block.text, "  "), problems)
    assert [] == [problem.render() for problem in problems]


@pytest.mark.parametrize("block", yaml_blocks("project"))
def test_project_file_loads(block: Block, tmp_path: Path) -> None:
    """A project file is right; the CA that a demo server would have is there, and what it names below `tls/`."""
    authority = tmp_path / "ca.pem"
    authority.touch()
    for name in re.findall(r"\btls/([\w-]+\.pem)", block.text):
        (tmp_path / "tls").mkdir(exist_ok=True)
        (tmp_path / "tls" / name).touch()
    path = tmp_path / "mailproof.yaml"
    path.write_text(block.text.replace(consoles.SHOWN_CA, str(authority)), "utf-8")
    problems: list[Problem] = []
    load_project(path, problems)
    assert [] == [problem.render() for problem in problems]


@pytest.mark.parametrize("block", yaml_blocks("refused"))
def test_refused_scenario_has_problems(block: Block) -> None:
    """What the manual calls a mistake is one."""
    problems: list[Problem] = []
    assert compiled(block.text, problems) is None
    assert [] != problems


def test_refusals_are_shown_as_they_are() -> None:
    """The messages below the two slips of the reference are those that come."""
    blocks = list(consoles.blocks((DOCS / "language.md").read_text("utf-8")))
    at = next(number for number, block in enumerate(blocks) if "refused" in block.words)
    problems: list[Problem] = []
    compiled(blocks[at].text, problems, "slips.yaml")
    assert blocks[at + 1].text == "\n\n".join(problem.render() for problem in problems) + "\n"


@pytest.mark.parametrize("block", yaml_blocks("other"))
def test_other_yaml_is_yaml(block: Block) -> None:
    """What is for another tool is YAML at least."""
    assert isinstance(yaml.safe_load(block.text), dict)


Servers = dict[str, DemoServer]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """The embedded server in each of its dialects, by the word that asks for it."""
    settings = {
        "smtp": DemoSettings(users=USERS),
        "lmtp": DemoSettings(protocol="lmtp"),
        "smtps": DemoSettings(users=USERS, tls="implicit"),
    }
    with ExitStack() as stack:
        yield {word: stack.enter_context(DemoServer(one)) for word, one in settings.items()}


def target_of(server: DemoServer) -> Target:
    target = parse_target(server.url)
    return replace(target, tags=("submission",), tls=replace(target.tls, ca=str(server.ca)))


def outcome_of(block: Block, servers: Servers) -> Outcome:
    """Play an example; it may name an LMTP server as `store` and another port as `submission`."""
    scenario = compiled(block.text, [])
    assert scenario is not None
    dialect = block.words[1] if len(block.words) > 1 else "smtp"
    server = servers["smtp" if dialect == "tcp" else dialect]
    given = Given(
        variables={**server.variables, "second": f"bob@{server.variables['domain']}"},
        secrets={"password": SecretRef("prompt", "password")} if "password" not in scenario.columns else {},
        client_name="client.example.com",
        secret=lambda _: server.password,
        sessions={"store": target_of(servers["lmtp"]), "submission": target_of(server)},
    )
    target = target_of(server)
    if dialect == "tcp":
        target = parse_target(f"tcp://{target.host}:{target.port}")
    run = Scheduler(plan([scenario], [target], None, given)).run()
    (outcome,) = {case.outcome for case in run.cases}
    return outcome


@pytest.mark.parametrize("block", yaml_blocks("runs"))
def test_scenario_passes_against_the_embedded_server(block: Block, servers: Servers) -> None:
    """What the manual says works does."""
    assert Outcome.PASSED is outcome_of(block, servers)


@pytest.mark.parametrize("block", yaml_blocks("fails"))
def test_scenario_fails_against_the_embedded_server(block: Block, servers: Servers) -> None:
    """What the manual says fails does, by the server's answer."""
    assert Outcome.FAILED is outcome_of(block, servers)


@pytest.mark.parametrize("block", yaml_blocks("known"))
def test_scenario_fails_and_is_known_to(block: Block, servers: Servers) -> None:
    """What the manual says is an issue that is known fails, and is no failure."""
    assert Outcome.KNOWN is outcome_of(block, servers)


def command_lines() -> list[object]:
    """Return every `mailproof …` that the manual tells to type, as parameters."""
    found = []
    for page in (README, *PAGES):
        text = page.read_text("utf-8")
        names = "|".join(COMMANDS)
        typed = re.finditer(rf"(?:^\$ |`|- run: )(mailproof (?:{names})\b[^`\n…]*)(?=[`\n])", text, re.MULTILINE)
        found += [pytest.param(one[1], id=f"{name_of(page)}: {one[1]}") for one in typed]
    return found


@pytest.mark.parametrize("line", command_lines())
def test_commands_are_right_usage(line: str) -> None:
    """A command that the manual tells to type has options that there are."""
    make_parser().parse_args(shlex.split(line)[1:])


# Links.


def anchors(page: Path) -> set[str]:
    """Return what a heading is called in a link, by the rules of the forges."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link within the manual has its page, and its heading there."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.is_file() or (anchor and anchor not in anchors(there)):
            broken.append(link)
    assert [] == broken


def test_every_page_is_in_the_index() -> None:
    """Who begins at the index finds all pages."""
    index = DOCS / "index.md"
    linked = {(DOCS / link).resolve() for link in re.findall(r"\]\(([^)#\s]+)\)", index.read_text("utf-8"))}
    assert set(PAGES) - {index} == linked


def test_every_scheme_is_named_where_a_target_has_its_url() -> None:
    """Who completes keys in an editor learns what a URL may begin with."""
    schema = json.loads((ROOT / "schema" / "project.schema.json").read_text("utf-8"))
    told = schema["definitions"]["target"]["anyOf"][1]["properties"]["url"]["description"]
    assert set(SCHEMES) <= set(re.findall(r"[a-z0-9+]+", told))


@pytest.mark.parametrize(
    ("file", "page"),
    [
        ("fragments/submit.yaml", "language.md"),
        ("users.csv", "language.md"),
        ("mailboxes.csv", "how-to/check-a-mailbox.md"),
    ],
)
def test_what_the_manual_shows_is_the_file_that_its_examples_use(file: str, page: str) -> None:
    """Who copies the examples gets what is shown."""
    shown = [block.text for block in consoles.blocks((DOCS / page).read_text("utf-8"))]
    assert (DOCS / file).read_text("utf-8") in shown
