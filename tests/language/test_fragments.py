"""Fragments, loops and what else groups say: what they compile to, and what is told where they are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from compiling import compiled, expanded, problems_in, project_of, steps_of

from runner.errors import Problem
from runner.language.compile import read_scenario
from runner.language.fragments import MAX_DEPTH, MAX_USES
from runner.language.model import KnownIssue, Repeat, Retry, Scenario, Send, Use
from runner.resources import bundled

SUBMIT = """fragment: {params: [to, subject]}
steps:
  - send: RCPT TO:<${to}>
    expect: 250
  - send: NOOP ${subject} ${sender}
    expect: 250 /queued as (?P<queue_id>\\w+)/
"""


def read(folder: Path, name: str = "a.yaml", **files: str) -> tuple[Scenario | None, list[Problem]]:
    """Write files (`sub__x` is sub/x.yaml) and read one."""
    for stem, text in files.items():
        path = folder / f"{stem.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    problems: list[Problem] = []
    return read_scenario(folder / name, name, folder, problems), problems


def using(steps: str) -> str:
    return f"name: x\nsteps:\n{steps}\n"


def told(problems: list[Problem]) -> list[str]:
    return [f"{one.span.place}: {one.message}" for one in problems]


class TestUse:
    def test_its_steps_stand_in_place(self, tmp_path):
        """A fragment is compiled where it is used: its names are the scenario's, its parameters are not."""
        text = using(
            "  - use: sub/submit.yaml\n    with: {to: '${recipient}', subject: hello}\n  - send: NOOP ${queue_id}"
        )
        scenario, problems = read(tmp_path, a=text, sub__submit=SUBMIT)
        assert [] == problems
        use, last = scenario.steps
        assert isinstance(use, Use)
        assert {"to": "${recipient}", "subject": "hello"} == {key: str(one) for key, one in use.parameters.items()}
        assert ["recipient", "sender", "queue_id"] == [one.name for one in scenario.placeholders]
        assert {"queue_id"} == scenario.captures
        assert ("sub/submit.yaml", 3) == (use.steps[0].span.source.name, use.steps[0].span.line)
        assert "a.yaml" == last.span.source.name

    def test_nested(self, tmp_path):
        """A fragment's paths start from its own folder, and it sees no parameter that it isn't given."""
        outer = "fragment: {params: [to]}\nsteps:\n  - use: inner.yaml\n    with: {x: '${to}'}\n"
        inner = "fragment: {params: [x]}\nsteps:\n  - send: NOOP ${x} ${to}\n"
        scenario, problems = read(
            tmp_path, a=using("  - use: sub/outer.yaml\n    with: {to: y}"), sub__outer=outer, sub__inner=inner
        )
        assert [] == problems
        assert ["to"] == [one.name for one in scenario.placeholders]
        assert "sub/inner.yaml" == scenario.placeholders[0].span.source.name

    def test_the_auth_exchange_goes_on(self, tmp_path):
        """A fragment may hold the middle of an exchange: what is a response there is known."""
        text = using("  - send: AUTH LOGIN\n    expect: 334\n  - use: f.yaml\n    with: {name: x}")
        fragment = "fragment: {params: [name]}\nsteps:\n  - send: ${name | base64}\n    expect: 334\n"
        _, problems = read(tmp_path, a=text, f=fragment)
        assert ["f.yaml:3:11: this line is base64-encoded as a whole, and '| base64' would encode it twice"] == told(
            problems
        )

    def test_without_parameters(self, tmp_path):
        """`fragment:` alone is a fragment that wants nothing."""
        scenario, problems = read(tmp_path, a=using("  - use: f.yaml"), f="fragment:\nsteps: [{expect: 250}]\n")
        assert [] == problems
        assert {} == scenario.steps[0].parameters

    def test_on_its_own(self, tmp_path):
        """A fragment is no scenario; read by itself it is checked, and what only a user could give is not missed."""
        text = SUBMIT + "  - session: inbox\n    expect: 250\n  - session: c[3]\n    send: ${answer}\n"
        assert (None, []) == read(tmp_path, "f.yaml", f=text)

    def test_what_is_wrong_is_told_once(self, tmp_path):
        """However often it is used; after what is wrong with the scenario itself."""
        text = using("  - use: f.yaml\n  - use: f.yaml\n  - expct: 250")
        _, problems = read(tmp_path, a=text, f="fragment:\nsteps:\n  - expect: 25\n")
        assert ["a.yaml:5:5: unknown key 'expct'", "f.yaml:3:13: '25' is no reply code of smtp"] == told(problems)

    @pytest.mark.parametrize(
        ("use", "fragment", "expected"),
        [
            ("use: f.yaml", SUBMIT, "a.yaml:3:10: 'to' and 'subject' are missing"),
            ("{use: f.yaml, with: {to: x}}", SUBMIT, "a.yaml:3:19: 'subject' is missing"),
            (
                "{use: f.yaml, with: {to: x, subjet: y}}",
                SUBMIT,
                "a.yaml:3:33: 'subjet' is no parameter of f.yaml",
            ),
            ("use: g.yaml", "fragment:\n", "a.yaml:3:10: there is no file 'g.yaml'"),
            ("use: ../f.yaml", "fragment:\n", "a.yaml:3:10: '../f.yaml' leads out of the folder"),
            ("use: /f.yaml", "fragment:\n", "a.yaml:3:10: '/f.yaml' is no relative path"),
            ("use: f.yaml", "name: x\nsteps: [{expect: 250}]\n", "f.yaml:1:1: 'f.yaml' is no fragment"),
            ("use: f.yaml", "fragment:\n", "f.yaml:1:1: 'steps' is missing"),
            ("use: f.yaml", "fragment:\nvars: {a: b}\nsteps: [{expect: 250}]\n", "f.yaml:2:1: unknown key 'vars'"),
            ("use: f.yaml", "fragment: {params: [1a]}\nsteps: [{expect: 250}]\n", "f.yaml:1:21: '1a' is no name"),
            ("use: f.yaml", "fragment: {params: [a, a]}\nsteps: [{expect: 250}]\n", "f.yaml:1:24: 'a' is named twice"),
            ("use: f.yaml", "fragment: {params: [now]}\nsteps: [{expect: 250}]\n", "f.yaml:1:21: 'now' is a built-in"),
            ("use: f.yaml", "fragment:\nsteps: [{use: f.yaml}]\n", "f.yaml:2:15: 'f.yaml' uses itself"),
            ("use: f.yaml", "fragment:\nsteps: [{use: g.yaml}]\n", "f.yaml:2:15: there is no file 'g.yaml'"),
            ("use: f.yaml", "fragment:\nprotocol: lmtp\nsteps: [{expect: 250}]\n", "a.yaml:3:10: 'f.yaml' is for lmtp"),
            ("use: f.yaml", "fragment: [", "f.yaml:1:"),
        ],
        ids=str,
    )
    def test_misuse(self, tmp_path, use, fragment, expected):
        """Every mistake is told where it is written."""
        folder = tmp_path / "root"
        folder.mkdir()
        (tmp_path / "f.yaml").write_text("fragment:\nsteps: [{expect: 250}]\n")
        scenario, problems = read(folder, a=using(f"  - {use}"), f=fragment)
        assert scenario is None
        assert any(one.startswith(expected) for one in told(problems)), told(problems)

    def test_the_nearest_name_is_offered(self, tmp_path):
        """A parameter that is mistyped is told with the one that was meant."""
        _, problems = read(tmp_path, a=using("  - {use: f.yaml, with: {to: x, subjet: y}}"), f=SUBMIT)
        assert "did you mean 'subject'?" in [one.advice for one in problems]

    def test_a_circle_of_two(self, tmp_path):
        """A circle is found however long it is."""
        other = "fragment:\nsteps: [{{use: {}.yaml}}]\n"
        _, problems = read(tmp_path, a=using("  - use: f.yaml"), f=other.format("g"), g=other.format("f"))
        assert ["g.yaml:2:15: 'f.yaml' uses itself"] == told(problems)

    def test_depth_is_bounded(self, tmp_path):
        """So many fragments inside one another and no more."""
        files = {f"f{n}": f"fragment:\nsteps: [{{use: f{n + 1}.yaml}}]\n" for n in range(MAX_DEPTH + 1)}
        _, problems = read(tmp_path, a=using("  - use: f0.yaml"), **files)
        assert [f"f{MAX_DEPTH - 1}.yaml:2:15: more than {MAX_DEPTH} fragments inside one another"] == told(problems)

    def test_growth_is_bounded(self, tmp_path):
        """Fragments that each use the next ten times don't multiply without end."""
        files = {f"f{n}": "fragment:\nsteps:\n" + f"  - use: f{n + 1}.yaml\n" * 10 for n in range(5)}
        files["f5"] = "fragment:\nsteps: [{expect: 250}]\n"
        _, problems = read(tmp_path, a=using("  - use: f0.yaml"), **files)
        assert {f"more than {MAX_USES} uses of fragments in one scenario"} == {one.message for one in problems}

    def test_nesting_is_bounded_over_files(self, tmp_path):
        """Groups around fragments around groups end before Python does."""
        nest = "".join(f"{'    ' * n}  - steps:\n" for n in range(15))
        files = {f"f{n}": f"fragment:\nsteps:\n{nest}{' ' * 62}- use: f{n + 1}.yaml\n" for n in range(5)}
        _, problems = read(tmp_path, a=using("  - use: f0.yaml"), **files)
        assert ["a fragment inside more than 32 groups"] == [one.message for one in problems]

    @pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
    def test_a_capture_takes_no_parameter(self, tmp_path, is_first):
        """Wherever in the scenario it is: a server must not set what is passed to a fragment."""
        steps = ["  - use: f.yaml\n    with: {to: a, subject: b}", "  - expect: 220 /(?P<to>x)/"]
        _, problems = read(tmp_path, a=using("\n".join(steps if is_first else reversed(steps))), f=SUBMIT)
        (problem,) = problems
        assert "the capture 'to' would overwrite a loop's variable or a fragment's parameter" == problem.message
        assert "choose another name; f.yaml:1:21 names it" == problem.advice


class TestLoops:
    def test_repeat(self):
        """A number, or a list with a name; `index` and the name are no names that somebody must give."""
        steps = "  - repeat: 5\n    steps: [{send: 'NOOP ${index}'}]\n"
        steps += "  - repeat: {each: [a, '${b}'], as: x}\n    keep_going: yes\n    steps: [{send: 'NOOP ${x} ${y}'}]\n"
        scenario = compiled(f"name: x\nsteps:\n{steps}")
        first, second = scenario.steps
        assert isinstance(first, Repeat)
        assert isinstance(second, Repeat)
        assert (5, "", False) == (first.count, first.variable, first.keep_going)
        assert (2, "x", True) == (second.count, second.variable, second.keep_going)
        assert {"index", "b", "y"} == {one.name for one in scenario.placeholders}
        assert [""] == [one.default for one in scenario.placeholders if one.name == "index"]

    def test_retry(self):
        """Times in seconds."""
        (step,) = steps_of("  - retry: {every: 2s, for: 1m}\n    steps: [{send: 'NOOP ${attempt}'}]\n")
        assert isinstance(step, Retry)
        assert (2.0, 60.0) == (step.every, step.lasting)

    def test_a_loop_may_change_what_is_known_of_auth(self):
        """What a round does to an AUTH exchange the next one begins with."""
        text = "  - send: AUTH LOGIN\n    expect: 334\n  - repeat: 2\n    steps: [{send: '*', expect: 501}]\n  - send: '%x'"
        assert isinstance(steps_of(text.replace("'%x'", "hello"))[-1], Send)

    @pytest.mark.parametrize(
        ("step", "expected"),
        [
            ("repeat: 0", "a repeat without a round would test nothing"),
            ("repeat: 10001", "10,001 rounds"),
            ("repeat: -1", "'-1' is no whole number from 0"),
            ("repeat: {each: [a]}", "'as' is missing"),
            ("repeat: {each: [], as: x}", "an empty list of values"),
            ("repeat: {each: [a], as: 1x}", "'1x' is no name"),
            ("repeat: {each: [a], as: unique}", "'unique' is a built-in name"),
            ("repeat: {eech: [a], as: x}", "unknown key 'eech'"),
            ("retry: {every: 1s}", "'for' is missing"),
            ("retry: {every: 1ms, for: 1s}", "no pause between two attempts"),
            ("retry: {every: 1, for: 1s}", "'1' is no duration; say 1s"),
            ("retry: 5", "a text where a mapping is due"),
            ("keep_going: true", "'keep_going' without a 'repeat'"),
            ("keep_going: maybe", "'maybe' is neither true nor false"),
            ("{repeat: 2, retry: {every: 1s, for: 1s}}", "'repeat' and 'retry' in one step"),
        ],
    )
    def test_misuse(self, step, expected):
        """Every mistake is told in plain words."""
        keys = step[1:-1].replace("{", "{") if step.startswith("{") else step
        keys = keys.replace(", retry", "\n    retry")
        problems = problems_in(f"name: x\nsteps:\n  - {keys}\n    steps: [{{send: NOOP}}]\n")
        assert expected in [one.message for one in problems] or any(
            one.message.startswith(expected) for one in problems
        ), told(problems)

    @pytest.mark.parametrize("qualifier", ["repeat: 2", "retry: {every: 1s, for: 2s}", "keep_going: true"])
    def test_only_beside_steps(self, qualifier):
        """A loop is a group's; beside another verb it is told so."""
        (problem,) = problems_in(f"name: x\nsteps:\n  - send: NOOP\n    {qualifier}\n")
        assert f"'{qualifier.partition(':')[0]}' belongs to 'steps'" == problem.message

    @pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
    def test_a_capture_takes_no_loop_variable(self, is_first):
        """A server must not set what a loop goes through."""
        steps = ["  - expect: 220 /(?P<x>.)/", "  - repeat: {each: [a], as: x}\n    steps: [{send: NOOP}]"]
        (problem,) = problems_in(using("\n".join(steps if is_first else reversed(steps))))
        assert problem.message.startswith("the capture 'x' would overwrite a loop's variable")


class TestTopLevel:
    def test_cleanup(self):
        """Its steps are compiled as all others, in a new AUTH exchange; its names are the scenario's."""
        text = using("  - send: AUTH LOGIN\n    expect: 334") + "cleanup:\n  - send: DELETE ${id}\n    expect: 250\n"
        scenario = compiled(text)
        assert ["send DELETE ${id}"] == [step.label for step in scenario.cleanup]
        assert ["id"] == [one.name for one in scenario.placeholders]

    def test_a_slip_in_cleanup(self):
        """Its steps are explained as those of `steps` are."""
        (problem,) = problems_in(using("  - expect: 220") + "cleanup:\n  - sned: x\n")
        assert ("unknown key 'sned'", "did you mean 'send'?") == (problem.message, problem.advice)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("it is slow", KnownIssue("it is slow")),
            ("{why: it is slow}", KnownIssue("it is slow")),
        ],
    )
    def test_known_issue(self, value, expected):
        """A text, or a mapping."""
        assert expected == compiled(using("  - expect: 220") + f"known_issue: {value}\n").known_issue

    def test_known_issue_until(self):
        """A day is a day."""
        issue = compiled(using("  - expect: 220") + "known_issue: {why: x, until: 2026-02-28}\n").known_issue
        assert (2026, 2, 28) == (issue.until.year, issue.until.month, issue.until.day)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("{until: 2026-01-01}", "'why' is missing"),
            ("{why: x, until: 2026-02-30}", "'2026-02-30' is no day: 2026-12-31"),
            ("{why: x, until: tomorrow}", "'tomorrow' is no day: 2026-12-31"),
            ("{why: x, untill: 2026-01-01}", "unknown key 'untill'"),
            ("[x]", "a list where a text or a mapping is due"),
        ],
    )
    def test_known_issue_misused(self, value, expected):
        """Every mistake is told in plain words."""
        assert [expected] == [one.message for one in problems_in(using("  - expect: 220") + f"known_issue: {value}\n")]


def test_index_outside_of_a_repeat():
    """It is told where it is known; in a fragment that a loop uses it has to be passed on."""
    (problem,) = expanded(compiled(using("  - send: NOOP ${index}")))
    assert "'${index}' is known only inside a repeat of the same file" in problem


def test_a_target_that_greylists(tmp_path):
    """A duration of the target, none if it says nothing."""
    project = project_of(tmp_path, "targets: {a: {url: 'smtp://a', greylisting: 10m}, b: smtp://b}\n")
    assert (600.0, None) == (project.targets["a"].greylisting, project.targets["b"].greylisting)


def test_the_schema_of_fragments_for_editors():
    """Its file leads to the definition that the tool itself goes by."""
    schema = json.loads((bundled("schema") / "fragment.schema.json").read_text("utf-8"))
    file, _, definition = schema["allOf"][0]["$ref"].partition("#/definitions/")
    assert definition in json.loads((bundled("schema") / file).read_text("utf-8"))["definitions"]
