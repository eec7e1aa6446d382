"""What files say about TLS: options of steps and targets, and `tls_expect`."""

from __future__ import annotations

import pytest

from runner.errors import SourceFile
from runner.language.compile import compile_scenario
from runner.language.model import KeyWish, TlsOptions
from runner.language.project import load_project
from runner.wire import TlsWish


def step(text):
    """Return the step of a scenario that has it alone."""
    problems = []
    scenario = compile_scenario(SourceFile("x.yaml", f"name: x\nsteps:\n  - {text}\n"), lambda path: path, problems)
    assert scenario is not None, "\n".join(problem.render() for problem in problems)
    return scenario.steps[0]


def target(folder, options):
    """Return the TLS wish of a project file's target, and what is wrong with it."""
    for name in ("ca.pem", "client.pem", "client.key"):
        (folder / name).touch()
    path = folder / "mailproof.yaml"
    path.write_text(f"targets:\n  mx:\n    url: smtp://mx.example.com\n    tls: {options}\n")
    problems = []
    project = load_project(path, problems, "mailproof.yaml")
    told = [problem.message for problem in problems]
    return (project.targets["mx"].tls if project is not None and not told else None), told


def test_options_of_a_step():
    """Every option, and nothing where nothing is said."""
    options = "{verify: false, min: TLSv1, max: TLSv1.2, ca: ca.pem, cert: c.pem, key: k.pem}"
    expected = TlsOptions(
        verify=False, ca="ca.pem", minimum="TLSv1", maximum="TLSv1.2", certificate="c.pem", key="k.pem"
    )
    assert expected == step(f"starttls: {options}").options
    assert expected == step(f"tls: {options}").options
    assert expected == step(f"connect: {{tls: {options}}}").tls
    assert TlsOptions() == step("starttls:").options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("{max: TLSv1.2}", TlsWish(maximum="TLSv1.2")),
        ("{max: TLSv1.1}", TlsWish(minimum="TLSv1.1", maximum="TLSv1.1")),
        ("{min: TLSv1, max: TLSv1.1}", TlsWish(minimum="TLSv1", maximum="TLSv1.1")),
    ],
)
def test_versions_of_a_target(tmp_path, options, expected):
    """A newest version below the default of the oldest is the oldest, too."""
    assert (expected, []) == target(tmp_path, options)


def test_certificates_of_a_target(tmp_path):
    """Paths are absolute."""
    expected = TlsWish(certificate=str(tmp_path / "client.pem"), key=str(tmp_path / "client.key"))
    assert (expected, []) == target(tmp_path, "{cert: client.pem, key: client.key}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{min: TLSv1.3, max: TLSv1.2}", "max TLSv1.2 is older than min TLSv1.3"),
        ("{key: client.key}", "a 'key' without a 'cert'"),
        ("{cert: none.pem}", "there is no file 'none.pem'"),
        ("{cert: client.pem, key: none.key}", "there is no file 'none.key'"),
        ("{max: TLSv9}", "'max' can't be 'TLSv9'"),
    ],
)
def test_wrong_options_of_a_target(tmp_path, options, message):
    """A target's options are refused as a step's are."""
    assert (None, [message]) == target(tmp_path, options)


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("TLSv1.3", ("TLSv1.3",)),
        ("[TLSv1.2, TLSv1.3]", ("TLSv1.2", "TLSv1.3")),
        ("'>= TLSv1.1'", ("TLSv1.1", "TLSv1.2", "TLSv1.3")),
        ("'>=TLSv1.3'", ("TLSv1.3",)),
        ("[TLSv1, '>= TLSv1.3']", ("TLSv1", "TLSv1.3")),
    ],
)
def test_versions_that_are_good(text, versions):
    """A version, a list, or the oldest that is good."""
    assert versions == step(f"{{tls: , tls_expect: {{version: {text}}}}}").tls_expect.versions


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("RSA >= 2048", [KeyWish("RSA", 2048)]),
        ("[RSA>=3072, EC >=256]", [KeyWish("RSA", 3072), KeyWish("EC", 256)]),
        ("[Ed25519, Ed448]", [KeyWish("Ed25519"), KeyWish("Ed448")]),
    ],
)
def test_keys_that_are_good(text, keys):
    """A kind with its least size, or one that has a single size; of a list one."""
    assert keys == list(step(f"{{tls: , tls_expect: {{public_key: {text}}}}}").tls_expect.public_keys)


@pytest.mark.parametrize(
    ("text", "seconds"), [("14d", 1_209_600), ("12h", 43_200), ("1d12h", 129_600), ("0h", 0), ("365d", 31_536_000)]
)
def test_how_long_it_must_be_valid(text, seconds):
    """Days and hours, which no other duration has."""
    assert seconds == step(f"{{tls: , tls_expect: {{valid_for: {text}}}}}").tls_expect.valid_for
