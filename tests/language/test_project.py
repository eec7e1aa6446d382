"""The project file, targets and their URLs."""

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import InputError, Problem
from runner.language.project import Project, SecretRef, Target, find_project, load_project, parse_target
from runner.protocol.base import Limits
from runner.proxy import SocketAddress
from runner.wire import ProxyHeader, TlsWish

FULL = """\
targets:
  mx: smtp://mx1.example.com       # a comment
  submission:
    url: submission://mail.example.com:10587
    tags: [auth, inside]
    vars: {username: alice@example.com}
    secrets: {password: {env: ALICE_PASSWORD}, other: {file: secrets/other}, third: {command: [pass, show, x]}, fourth: {command: [./get, x]}}
    source_address: 192.0.2.7
    tls: {verify: no, ca: ca.pem, server_name: mx.example.com, min: TLSv1.3}
    plaintext_secrets: allow
vars: {sender: alice@example.com}
secrets: {reader_password: {file: /etc/reader}}
env: [CI_COMMIT_SHA]
defaults:
  timeout: 20s
  deadline: 1h
  limits: {line: 1KiB, reply: 2MB, literal: 1GiB}
  line_ends: lenient
client_name: client.example.com
"""


def read(folder: Path, text: str) -> tuple[Project | None, list[Problem]]:
    path = folder / "mailproof.yaml"
    path.write_text(text)
    problems: list[Problem] = []
    return load_project(path, problems, "mailproof.yaml"), problems


def test_a_project_file_has_all_its_parts(tmp_path):
    """Every key of this version, read."""
    (tmp_path / "ca.pem").touch()
    project, problems = read(tmp_path, FULL)
    assert problems == []
    assert project is not None
    assert (tmp_path, ("CI_COMMIT_SHA",), 20.0, 3600.0) == (
        project.root,
        project.env,
        project.timeout,
        project.deadline,
    )
    assert project.limits == Limits(line=1024, reply=2_000_000, literal=1024**3)
    assert (project.lenient_line_ends, project.client_name) == (True, "client.example.com")
    assert {name: value.text for name, value in project.variables.items()} == {"sender": "alice@example.com"}
    assert project.secrets["reader_password"].value == "/etc/reader"
    assert list(project.targets) == ["mx", "submission"]


def test_a_target_has_all_its_parts(tmp_path):
    """Paths are absolute, values stay nodes, secrets stay references."""
    (tmp_path / "ca.pem").touch()
    project, _ = read(tmp_path, FULL)
    assert project is not None
    target = project.targets["submission"]
    assert (target.protocol, target.host, target.port, target.implicit_tls) == (
        "smtp",
        "mail.example.com",
        10587,
        False,
    )
    assert (target.tags, target.source_address, target.plaintext_secrets) == (("auth", "inside"), "192.0.2.7", True)
    assert target.tls == TlsWish(
        verify=False, ca=str(tmp_path / "ca.pem"), server_name="mx.example.com", minimum="TLSv1.3"
    )
    assert target.variables["username"].span.place == "mailproof.yaml:6:22"
    assert {name: (ref.kind, ref.value) for name, ref in target.secrets.items()} == {
        "password": ("env", "ALICE_PASSWORD"),
        "other": ("file", str(tmp_path / "secrets" / "other")),
        "third": ("command", ("pass", "show", "x")),
        "fourth": ("command", (str(tmp_path / "get"), "x")),
    }
    assert target.span.place == "mailproof.yaml:4:10"


def test_a_small_project_file_says_the_rest_by_itself(tmp_path):
    """What is left out has the documented values."""
    project, _ = read(tmp_path, "targets: {mx: 'smtp://mx'}\n")
    assert project is not None
    assert (None, None, Limits(), False, "") == (
        project.timeout,
        project.deadline,
        project.limits,
        project.lenient_line_ends,
        project.client_name,
    )
    assert project.targets["mx"].tls == TlsWish()


def test_projects_and_targets_travel(tmp_path):
    """A case is an independent value: what it holds can be sent to another process."""
    project, _ = read(tmp_path, FULL.replace("ca: ca.pem, ", ""))
    assert project is not None
    copied = pickle.loads(pickle.dumps(project))
    assert copied.targets["submission"].secrets == project.targets["submission"].secrets


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mx", ("smtp", "mx", 25, "", False)),
        ("SMTP://Mx.Example.com.", ("smtp", "Mx.Example.com.", 25, "", False)),
        ("smtps://mx", ("smtp", "mx", 465, "", True)),
        ("submission://mx:2525", ("smtp", "mx", 2525, "", False)),
        ("submission://mx", ("smtp", "mx", 587, "", False)),
        ("submissions://mx", ("smtp", "mx", 465, "", True)),
        ("lmtp://192.0.2.1", ("lmtp", "192.0.2.1", 24, "", False)),
        ("smtp://[2001:db8::1]", ("smtp", "2001:db8::1", 25, "", False)),
        ("smtp://[::1]:65535", ("smtp", "::1", 65535, "", False)),
        ("smtp://[fe80::1%eth0]:1", ("smtp", "fe80::1%eth0", 1, "", False)),
        ("smtp://bücher.example", ("smtp", "bücher.example", 25, "", False)),
        ("lmtp+unix:///run/dovecot/lmtp", ("lmtp", "", 0, "/run/dovecot/lmtp", False)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_url_is_a_target(url, expected):
    """Scheme, host and port, with the scheme's own port where none is given."""
    target = parse_target(url)
    assert expected == (target.protocol, target.host, target.port, target.path, target.implicit_tls)
    assert (url, url) == (target.name, target.url)


@pytest.mark.parametrize(
    ("url", "column", "message", "advice"),
    [
        ("mx.example.com", 1, "'mx.example.com' is no URL", "write it with its scheme: smtp://mx.example.com"),
        ("smtp:mx", 1, "'smtp:mx' is no URL", "write it with its scheme: smtp://HOST"),
        ("smpt://mx", 1, "unknown scheme 'smpt'", "did you mean 'smtp'?"),
        (
            "gopher://mx",
            1,
            "unknown scheme 'gopher'",
            (
                "the schemes are: imap, imaps, lmtp, lmtp+unix, pop3, pop3s, sieve, smtp, smtps, submission, submissions, tcp"
            ),
        ),
        ("tcp://mx", 1, "no port, and tcp has none of its own", "write tcp://mx:PORT"),
        ("smtp://mx:0", 11, "'0' is no port", "a port is a number from 1 to 65535"),
        ("smtp://mx:70000", 11, "'70000' is no port", "a port is a number from 1 to 65535"),
        ("smtp://mx:", 11, "'' is no port", "a port is a number from 1 to 65535"),
        ("smtp://[::1]:x", 14, "'x' is no port", "a port is a number from 1 to 65535"),
        ("smtp://", 8, "no host", "a target is SCHEME://HOST or SCHEME://HOST:PORT"),
        ("smtp://:25", 8, "no host", "a target is SCHEME://HOST or SCHEME://HOST:PORT"),
        ("smtp://mx/inbox", 10, "'/inbox' after the host", "end the URL with host or port"),
        ("smtp://mx?x=1", 10, "'?x=1' after the host", "end the URL with host or port"),
        ("smtp://2001:db8::1", 8, "'2001:db8::1' is no host", "an IPv6 address stands in brackets: [2001:db8::1]"),
        ("smtp://[2001:db8::1", 8, "'[2001:db8::1' is no IPv6 address in brackets and a port", ""),
        ("smtp://[192.0.2.1]", 8, "'[192.0.2.1]' is no IPv6 address in brackets", ""),
        ("smtp://${host}", 8, "no placeholder can stand in a URL", "write the host out"),
        ("smtp://a..b", 8, "'a..b' is no host name", ""),
        ("smtp://a b", 8, "'a b' is no host name", ""),
        (
            "lmtp+unix://run/lmtp",
            13,
            "a UNIX socket wants an absolute path",
            "three slashes begin an absolute path: lmtp+unix:///run/dovecot/lmtp",
        ),
        ("lmtp+unix:///" + "x" * 200, 13, "a socket's path has at most 103 printable characters", ""),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_url_that_is_none_is_told_where(url, column, message, advice):
    """The place in the URL, what is wrong there, and what would be right."""
    with pytest.raises(InputError) as caught:
        parse_target(url)
    [problem] = caught.value.problems
    assert (column, message, advice) == (problem.span.column, problem.message, problem.advice)


@pytest.mark.parametrize("url", ["smtp://alice:hunter2@mx", "alice:hunter2@mx", "smpt://alice:hunter2@mx"])
def test_a_password_in_a_url_is_refused_and_not_shown(url):
    """Secrets don't belong in a URL; the error about it must not show one."""
    with pytest.raises(InputError) as caught:
        parse_target(url)
    assert "hunter2" not in str(caught.value)
    assert "<command line>:1:1: a URL with a user name" in str(caught.value)


@given(
    st.text(max_size=40)
    | st.text(max_size=40).map("smtp://".__add__)
    | st.text(max_size=20).map("lmtp+unix:///".__add__)
)
def test_any_text_is_a_target_or_refused_with_its_place(url):
    """Parsing is total, and what it lets through has a host and a port, or a path."""
    try:
        target = parse_target(url)
    except InputError as error:
        assert [problem.span.line for problem in error.problems] == [1]  # noqa: PT017
    else:
        assert target.path or (target.host and 0 < target.port < 65536)


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    """Keys, kinds, URLs and values, in the order of the file."""
    text = """\
targets:
  mx: smpt://mx
  other: {url: 'smtp://mx:0', tls: {ca: nowhere.pem}, source_address: here}
  third: {ulr: smtp://mx}
defaults: {timeout: soon, limits: {line: 5, reply: 9GiB}}
colour: blue
"""
    project, problems = read(tmp_path, text)
    assert project is None
    assert [(problem.span.line, problem.message) for problem in problems] == [
        (2, "unknown scheme 'smpt'"),
        (3, "'0' is no port"),
        (3, "there is no file 'nowhere.pem'"),
        (3, "'here' is no IP address"),
        (4, "a target without 'url', 'mx' or 'command'"),
        (4, "unknown key 'ulr'"),
        (5, "'soon' is no duration: 500ms, 2s, 1m30s, 1h"),
        (5, "'5' is no limit: from 512 bytes to 1GiB"),
        (5, "'9GiB' is no limit: from 512 bytes to 1GiB"),
        (6, "unknown key 'colour'"),
    ]


def test_a_reply_must_hold_a_line(tmp_path):
    """Limits that contradict each other are told."""
    _, problems = read(tmp_path, "defaults: {limits: {line: 2KiB, reply: 1KiB}}\n")
    assert [problem.message for problem in problems] == ["the limit for a reply is below that for a line, 2048"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("- x\n", "a list where a mapping is due"),
        ("targets: *x\n", "no anchor '&x' above this alias"),
    ],
    ids=["empty", "list", "yaml"],
)
def test_a_file_that_is_no_project_is_told(tmp_path, text, message):
    """The loader's errors come through, with the advice for this kind of file."""
    project, problems = read(tmp_path, text)
    assert project is None
    assert message == problems[0].message
    assert "steps" not in problems[0].advice


def test_a_project_file_that_is_not_there_is_told(tmp_path):
    """Missing is a problem with a name, not an exception."""
    problems: list[Problem] = []
    assert load_project(tmp_path / "x.yaml", problems) is None
    assert [problem.message for problem in problems] == ["cannot be read: no such file or directory"]


def test_the_project_file_is_found_upwards(tmp_path):
    """From any folder below; the nearest one counts, and none is none."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_project(below) is None or tmp_path not in find_project(below).parents
    (tmp_path / "mailproof.yaml").touch()
    assert find_project(below) == tmp_path / "mailproof.yaml"
    (tmp_path / "a" / "mailproof.yaml").touch()
    assert find_project(below) == tmp_path / "a" / "mailproof.yaml"


def test_without_a_project_file_there_is_an_empty_project():
    """`Project()` is what a run without one has."""
    assert (Project().root, Project().targets, Project().env) == (None, {}, ())


def test_a_reference_to_a_secret_shows_no_secret():
    """Only where it comes from."""
    assert repr(SecretRef("env", "PASSWORD")) == "SecretRef(kind='env', value='PASSWORD', span=None)"
    assert isinstance(parse_target("smtp://mx"), Target)


REACHING = """\
targets:
  near: {url: smtp://mx, family: ipv6, proxy_protocol: v1}
  named: {url: smtp://mx, proxy_protocol: {version: v2, source: 192.0.2.7:1234, destination: '[2001:db8::1]:25'}}
  far: {url: smtp://mx, proxy_protocol: {version: v2, source: '2001:db8::7'}}
  domain: {mx: example.com}
  ports: {mx: 'smtps://example.com:2525', tags: [mx]}
  pipe: {command: [sendmail, -bs]}
  script: {command: [./serve, x], protocol: lmtp, proxy_protocol: v2}
"""


def test_how_servers_are_reached(tmp_path):
    """Families, PROXY headers, domains and commands."""
    text = REACHING.replace("source: 192.0.2.7:1234", "source: '[2001:db8::7]:1234'")
    project, problems = read(tmp_path, text)
    assert problems == []
    assert project is not None
    targets = project.targets
    assert (targets["near"].family, targets["near"].proxy) == ("ipv6", ProxyHeader(1))
    source, destination = SocketAddress("2001:db8::7", 1234), SocketAddress("2001:db8::1", 25)
    assert targets["named"].proxy == ProxyHeader(2, source, destination)
    assert targets["far"].proxy == ProxyHeader(2, SocketAddress("2001:db8::7"))
    domain, ports = targets["domain"], targets["ports"]
    assert (domain.is_domain, domain.host, domain.port, domain.url) == (True, "example.com", 25, "mx: example.com")
    assert (ports.is_domain, ports.host, ports.port, ports.implicit_tls) == (True, "example.com", 2525, True)
    pipe, script = targets["pipe"], targets["script"]
    assert (pipe.command, pipe.protocol, pipe.host, pipe.url) == (
        ("sendmail", "-bs"),
        "smtp",
        "localhost",
        "command: sendmail",
    )
    assert (script.command, script.protocol) == ((str(tmp_path / "serve"), "x"), "lmtp")


@pytest.mark.parametrize(
    ("target", "message", "advice"),
    [
        ("{url: 'smtp://mx', mx: example.com}", "'mx' beside 'url'", "a target is in one place: leave one of them out"),
        ("{mx: a..b}", "'a..b' is no host name", ""),
        ("{mx: 192.0.2.1}", "'192.0.2.1' is an address, no domain", "name it by 'url'"),
        ("{mx: 'lmtp+unix:///run/lmtp'}", "a UNIX socket has no mail exchangers", "name a domain"),
        ("{mx: }", "nothing where a text is due", "for example example.com, smtp://example.com:2525"),
        ("{command: []}", "an empty list", "for example [sendmail, -bs]"),
        ("{command: sendmail -bs}", "a text where a list is due", "write [sendmail, -bs]"),
        ("{url: 'smtp://mx', protocol: smtp}", "'protocol' is for a command", "a URL says it by its scheme"),
        ("{mx: 'imap://example.com'}", "mail exchangers speak SMTP", "name the server by 'url'"),
        (
            "{command: [x], protocol: nntp}",
            "'protocol' can't be 'nntp'",
            "allowed here: smtp, lmtp, pop3, imap, sieve, tcp",
        ),
        ("{command: [x], family: ipv4}", "'family' has no meaning for a command", "leave it out"),
        (
            "{url: 'lmtp+unix:///run/lmtp', source_address: 192.0.2.7}",
            "'source_address' has no meaning for a UNIX socket",
            "leave it out",
        ),
        ("{url: 'smtp://mx', family: inet6}", "'family' can't be 'inet6'", "allowed here: ipv4, ipv6"),
        ("{url: 'smtp://mx', proxy_protocol: v3}", "'proxy_protocol' can't be 'v3'", "allowed here: v1, v2"),
        ("{url: 'smtp://mx', proxy_protocol: none}", "'proxy_protocol' can't be 'none'", "allowed here: v1, v2"),
        ("{url: 'smtp://mx', proxy_protocol: {source: 192.0.2.7}}", "'version' is missing", ""),
        (
            "{url: 'smtp://mx', proxy_protocol: {version: v1, source: mx1}}",
            "'mx1' is no IP address with a port: 192.0.2.7:1234 or [2001:db8::7]:1234",
            "",
        ),
        (
            "{url: 'smtp://mx', proxy_protocol: {version: v1, source: 192.0.2.7, destination: '::1'}}",
            "the client 192.0.2.7 is of IPv4, the destination ::1 of IPv6: name a 'destination' of IPv4",
            "",
        ),
    ],
)
def test_reaching_told_wrongly(tmp_path, target, message, advice):
    """The likeliest slip of each key, with what would be right."""
    project, problems = read(tmp_path, f"targets: {{x: {target}}}\n")
    assert project is None
    assert [(message, advice)] == [(problem.message, problem.advice) for problem in problems]


def test_a_keyrings_entry(tmp_path):
    """A service and a user name; in one text the last slash parts them."""
    text = "secrets: {a: {keyring: 'https://mail.example.com/alice'}, b: {keyring: {service: x/y, username: a/b}}}\n"
    project, problems = read(tmp_path, text)
    assert problems == []
    assert project is not None
    assert {name: (ref.kind, ref.value) for name, ref in project.secrets.items()} == {
        "a": ("keyring", ("https://mail.example.com", "alice")),
        "b": ("keyring", ("x/y", "a/b")),
    }


@pytest.mark.parametrize("entry", ["hunter2", "/hunter2", "hunter2/"])
def test_a_keyrings_entry_that_is_none(tmp_path, entry):
    """It may be the secret itself, so that nothing of the line is shown."""
    _, problems = read(tmp_path, f"secrets: {{a: {{keyring: {entry}}}}}\n")
    assert ["this is no SERVICE/USERNAME"] == [problem.message for problem in problems]
    assert "hunter2" not in problems[0].render()
