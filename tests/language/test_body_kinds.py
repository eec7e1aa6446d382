"""`data`, `bdat` and `bytes`: what their values become, and what of a file is read when."""

import marshal
import pickle
from pathlib import Path

import pytest
from compiling import compiled, problems_in, steps_of
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import SourceFile
from runner.language.body import Body, Generated, Octets, Sample
from runner.language.compile import compile_scenario
from runner.language.loader import read_octets
from runner.language.model import Bdat, Bytes, Data
from runner.language.verbs import bodies


def body_of(step, find_file=lambda path: path):
    """Compile one step; return its body and the problems."""
    problems = []
    scenario = compile_scenario(SourceFile("scenarios/x.yaml", f"name: x\nsteps:\n  - {step}\n"), find_file, problems)
    return (scenario.steps[0].body if scenario else None), [problem.render() for problem in problems]


@pytest.mark.parametrize(
    ("written", "kind", "label"),
    [
        ("data: hello", Body, "data"),
        ("data: {size: 10MB}", Generated, "data size 10MB"),
        ("data: {sample: gtube}", Sample, "data sample gtube"),
        ("{bdat: {size: 1KB}, last: true}", Generated, "bdat size 1KB last"),
        ("bdat: ${secret}", Body, "bdat"),
        (r"bytes: 'a\r\n${x}'", Body, r"bytes a\r\n${x}"),
        ("bytes: {hex: 0d 0a}", Octets, "bytes hex 0d 0a"),
        ("{bytes: x, name: the x}", Body, "the x"),
    ],
)
def test_kinds_and_labels(written, kind, label):
    """A body is of the kind written, and a report calls the step so that no text of a message is in it."""
    (step,) = steps_of(f"  - {written}")
    assert kind is type(step.body)
    assert label == step.label


def test_keys():
    """What stands beside a body is read as what it is."""
    data, bdat, octets = steps_of(
        "  - {data: x, dot_stuffing: no, end: '\\n.${x}\\n', rate: 1KB/s}\n  - {bdat: x}\n  - {bytes: x, pause: 10ms, replies: 2}"
    )
    assert isinstance(data, Data)
    assert (False, "\n.${x}\n", 1000) == (data.is_stuffed, str(data.end), data.rate)
    assert isinstance(bdat, Bdat)
    assert not bdat.is_last
    assert isinstance(octets, Bytes)
    assert (0.01, 2) == (octets.pause, octets.replies)


def test_a_plain_file_is_read_with_the_scenario(tmp_path):
    """A message's octets are those at the time when the file was checked; no placeholder is looked for."""
    file = tmp_path / "x.eml"
    file.write_bytes(b"${x\n\xff")
    body, problems = body_of("data: {file: x.eml}", lambda _: str(file))
    file.unlink()
    assert ([], b"${x\n\xff") == (problems, body.data)


def test_a_file_is_filled(tmp_path):
    """Its placeholders are the scenario's, and its line ends a text's."""
    file = tmp_path / "x.eml"
    file.write_bytes("Subject: ${unique}\r\n\r\n{{ x }} ${missing}é".encode())
    problems = []
    text = "name: x\nsteps:\n  - data: {file: mails/x.eml, fill: true}\n"
    scenario = compile_scenario(SourceFile("scenarios/x.yaml", text), lambda _: str(file), problems)
    assert [] == problems
    assert "Subject: ${unique}\n\n{{ x }} ${missing}é" == str(scenario.steps[0].body.head)
    assert ["unique", "missing"] == [part.name for part in scenario.placeholders]
    assert "scenarios/mails/x.eml:3:9" == scenario.placeholders[1].span.place


def test_a_large_file(tmp_path, monkeypatch):
    """Beyond its limit a file is no message but a mistake; a size is what is made up."""
    file = tmp_path / "x.eml"
    file.write_bytes(b"x" * 3000)
    monkeypatch.setattr(bodies, "FILE_LIMIT", 2048)
    _, (told,) = body_of("data: {file: x.eml}", lambda _: str(file))
    assert "'x.eml' can't be sent: it is larger than 2 KiB" in told
    assert "{size: 100MB}" in told


def test_a_large_file_is_not_filled(tmp_path):
    """A template has the limit of a scenario file."""
    file = tmp_path / "x.eml"
    file.write_bytes(b"x" * (1024 * 1024 + 1))
    _, (told,) = body_of("data: {file: x.eml, fill: yes}", lambda _: str(file))
    assert "scenarios/x.eml:1:1: cannot be read: it is larger than 1024 KiB" in told


def test_a_file_that_cannot_be_read(tmp_path):
    """What the system says is told at the file's name."""
    _, (told,) = body_of("bytes: {file: gone}", lambda _: str(tmp_path / "gone"))
    assert "scenarios/x.yaml:3:19: 'gone' can't be read: no such file or directory" in told
    with pytest.raises(ValueError, match="it is a folder"):
        read_octets(tmp_path, 10)


@given(st.text(alphabet="\\xrnt0aF${}| .:-", max_size=20))
def test_any_text_of_bytes_compiles_or_is_told(text):
    """No text of bytes raises; one with a mistake is told at its place."""
    quoted = text.replace("'", "''")
    for problem in problems_in(f"name: x\nvars: {{a: b}}\nsteps:\n  - bytes: 'x{quoted}'\n"):
        assert 4 == problem.span.line


@given(st.binary(max_size=30))
def test_any_octets_can_be_written(octets):
    r"""By `\xHH`, hex or base64."""
    import base64

    text = "".join(f"\\x{one:02X}" for one in octets)
    first, second, third = steps_of(
        f"  - bytes: 'x{text}'\n  - bytes: {{hex: '78{octets.hex()}'}}\n"
        f"  - bytes: {{base64: '{base64.b64encode(b'x' + octets).decode()}'}}"
    )
    assert b"x" + octets == first.body.head.flat.encode("utf-8", "surrogateescape")
    assert second.body.data == third.body.data == b"x" + octets


def test_bodies_go_through_pickle():
    """A scenario with bodies is a value that can travel."""
    scenario = compiled("name: x\nsteps:\n  - data: {size: 1MB}\n  - bdat: {sample: eicar}\n  - bytes: {hex: ff}\n")
    assert scenario.steps == pickle.loads(pickle.dumps(scenario)).steps


def test_no_file_of_ours_is_a_sample():
    """A sample is in no source of ours as a whole: no scanner takes it for what it is."""
    import runner.language.body as module

    for path in (Path(module.__file__), Path(bodies.__file__), Path(__file__)):
        source = path.read_bytes()
        content = source + marshal.dumps(compile(source, path.name, "exec"))
        assert not any(b"".join(sample.parts) in content for sample in module.SAMPLES.values())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("send: AUTH LOGIN", "send: '${x}'"),
        (r"bytes: 'AUTH LOGIN\r\n'", "send: hello ${x}"),
    ],
)
def test_after_bytes_nothing_is_known_of_an_exchange(before, after):
    """A line that may or may not be a response is neither encoded nor refused when the file is read."""
    assert [] == problems_in(f"name: x\nvars: {{x: y}}\nsteps:\n  - {before}\n  - bytes: 'x\\r\\n'\n  - {after}\n")


def test_scalars_keep_their_places():
    """An escape behind a doubled quote is told at its own column."""
    (problem,) = problems_in("name: x\nsteps:\n  - bytes: 'it''s \\q'\n")
    assert (3, 19) == (problem.span.line, problem.span.column)
