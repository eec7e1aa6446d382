"""A zoo of hostile and broken servers of IMAP, POP3, ManageSieve and of lines: what `zoo` is for SMTP.

The servers are in `mailbox_beasts`, what comes of each is in `golden/hostile-mailboxes.txt`, read by people.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

from fake_server import FakeServer, certificates
from mailbox_beasts import WHOLE, ZOO
from zoo import LONG

# More than `zoo` has: here the floods of many servers are read meanwhile.
SHORT = "1500ms"
VERDICTS = Path(__file__).parents[1] / "golden" / "hostile-mailboxes.txt"
PASSWORD = "hunter2-Zq/+='x"
GIVEN = ("--var", "username=tim", "--secret", "password=env:PASSWORD")

HEAD = """\
name: {name}
protocol: {protocol}
timeout: {timeout}
requires: {{target_tag: {name}}}
"""
LOGIN = "  - {send: 'LOGIN ${username | quoted} ${password | quoted}', expect: OK}\n"
# What each scenario asks; the last word of its name is the protocol.
STEPS = {
    "imap": f"""\
secrets: [password]
steps:
  - expect: OK
{LOGIN}\
  - {{send: 'FETCH 1 BODY[]', expect: OK}}
  - {{send: LOGOUT, expect: OK}}
""",
    "tls-imap": f"""\
secrets: [password]
steps:
  - expect: OK
  - starttls:
{LOGIN}\
  - {{send: LOGOUT, expect: OK}}
""",
    "offered-imap": f"""\
secrets: [password]
steps:
  - expect: OK
  - {{send: CAPABILITY, expect: OK, capabilities: [STARTTLS]}}
  - starttls:
{LOGIN}\
""",
    "idle-imap": """\
steps:
  - expect: [OK, PREAUTH]
  - {send: IDLE, expect: +}
  - {expect: untagged, untagged: '* EXISTS'}
  - {send: DONE, expect: OK}
""",
    "auth-imap": """\
secrets: [password]
steps:
  - expect: OK
  - auth: SCRAM-SHA-256
""",
    "append-imap": """\
steps:
  - expect: [OK, PREAUTH]
  - {send: APPEND INBOX, literal: 'Subject: x', expect: OK}
""",
    "pop3": """\
secrets: [password]
steps:
  - expect: +OK
  - {send: 'PASS ${password}', expect: +OK}
  - {send: LIST, expect: +OK}
  - {send: RETR 1, expect: +OK}
  - {send: QUIT, expect: +OK}
""",
    "tls-pop3": """\
secrets: [password]
steps:
  - expect: +OK
  - starttls:
  - {send: 'PASS ${password}', expect: +OK}
""",
    "capa-pop3": """\
steps:
  - expect: +OK
  - {send: CAPA, expect: +OK, capabilities: [STLS]}
""",
    "auth-pop3": """\
secrets: [password]
steps:
  - expect: +OK
  - auth: SCRAM-SHA-256
""",
    "apop-pop3": """\
secrets: [password]
steps:
  - expect: +OK
  - auth: APOP
""",
    "sieve": """\
secrets: [password]
steps:
  - expect: OK
  - auth: PLAIN
  - {send: LISTSCRIPTS, expect: OK}
  - {send: GETSCRIPT "x", expect: OK}
  - {send: LOGOUT, expect: OK}
""",
    "tls-sieve": """\
secrets: [password]
steps:
  - expect: OK
  - starttls:
  - auth: PLAIN
""",
    "offered-sieve": """\
secrets: [password]
steps:
  - {expect: OK, capabilities: [STARTTLS]}
  - starttls:
  - auth: PLAIN
""",
    "auth-sieve": """\
secrets: [password]
steps:
  - expect: OK
  - auth: SCRAM-SHA-256
""",
    "tcp": """\
steps:
  - expect: hello
  - {send: LIST, expect: '*', until: '/^end/'}
  - {send: BYE, expect: bye}
""",
}


def _scenarios():
    """Return the scenarios by file name; those with `stalls-` in front have no time for what will not come."""
    files = {}
    for kind, steps in STEPS.items():
        for lead, timeout in (("", LONG), ("stalls-", SHORT)):
            head = HEAD.format(name=lead + kind, protocol=kind.rpartition("-")[2], timeout=timeout)
            files[f"{lead}{kind}.yaml"] = head + steps
    return files


SCENARIOS = _scenarios()


class Zoo:
    """The zoo, or some of its beasts, as servers; `files` are the scenarios and the project file."""

    def __init__(self, *names, cuttings=(WHOLE,)):
        self.targets = {
            f"{name}.{number}" if number else name: (ZOO[name], cutting)
            for name in names or ZOO
            for number, cutting in enumerate(cuttings)
        }
        self.files = {}
        self._stack = ExitStack()

    def __enter__(self):
        lines = [
            f"  {name}: {{url: '{self._url(beast, cutting)}', tags: [{beast.kind}], tls: {{ca: roots.pem}}}}"
            for name, (beast, cutting) in self.targets.items()
        ]
        roots = certificates().authority.cert_pem.bytes().decode()
        project = "\n".join(["targets:", *lines, ""])
        self.files = {**SCENARIOS, "roots.pem": roots, "mailproof.yaml": project}
        return self

    def _url(self, beast, cutting):
        def handler(conn):
            conn.cutting = cutting
            beast.handler(conn)

        port = self._stack.enter_context(FakeServer(handler)).port
        return f"{beast.scheme or beast.kind.rpartition('-')[2]}://127.0.0.1:{port}"

    def __exit__(self, *error):
        self._stack.__exit__(*error)


def told(case):
    """Return what came of a case on one line, as the golden file has it."""
    text = re.sub(r"[\x00-\x1f]", lambda found: f"\\x{ord(found[0]):02x}", case.reason.replace("\n", "\\n"))
    return f"{case.outcome.value}: {text}".rstrip(": ")


def expected():
    """Return what is to come of each beast, by name; `…` stands for anything."""
    lines = VERDICTS.read_text().splitlines()
    return {name: verdict for name, _, verdict in (line.partition(": ") for line in lines)}


def fits(verdict, pattern):
    """Whether what came is what the golden file says."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), verdict) is not None
