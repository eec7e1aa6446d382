"""A server's facts as a table and as a scenario: what is shown, what is pinned, and what a hostile server gets out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.authoring.probing.facts import (
    Encryption,
    LoginFact,
    Look,
    ServerFacts,
    VersionFact,
    distrust_of,
    fault_in,
    limits_of,
)
from runner.authoring.probing.pinning import pin
from runner.authoring.probing.questions import MANNERS, Question
from runner.authoring.probing.table import render_facts
from runner.certificate import Certificate, PublicKey
from runner.errors import Problem, SourceFile
from runner.language.compile import compile_scenario
from runner.report.layout import Style, width
from runner.results import CaseResult, Heard, Outcome
from runner.wire import FaultKind

DAY = 86_400.0
CERTIFICATE = Certificate(
    subject="CN=mail.example.com",
    common_name="mail.example.com",
    issuer="CN=R11,O=Let's Encrypt,C=US",
    names=("mail.example.com", "*.example.net"),
    addresses=(),
    not_before=0.0,
    not_after=100 * DAY,
    public_key=PublicKey("RSA", 2048),
    signature_hash="sha256",
)
TLS = Encryption("TLSv1.3", "TLS_AES_256_GCM_SHA384", CERTIFICATE, 90 * DAY)
BEFORE = {"PIPELINING": (), "SIZE": ("10240000",), "STARTTLS": (), "8BITMIME": ()}
WITH = {"PIPELINING": (), "SIZE": ("20480000",), "AUTH": ("PLAIN", "LOGIN"), "AUTH=PLAIN": (), "8BITMIME": ()}
FACTS = ServerFacts(
    "mx (smtp://mail.example.com)",
    "smtp",
    "mail.example.com",
    greetings=(Heard("greeting", "220", "", ("mail.example.com ESMTP Postfix",), 0.01),),
    looks=(Look("before TLS", BEFORE), Look("with TLS", WITH)),
    tls=TLS,
    versions=(
        VersionFact("TLSv1", is_spoken=False, why="this machine's TLS library can't", is_known=False),
        VersionFact("TLSv1.1", is_spoken=False),
        VersionFact("TLSv1.2", is_spoken=True),
        VersionFact("TLSv1.3", is_spoken=True),
    ),
)
TABLE = """\
mx (smtp://mail.example.com)
  greeting      220 mail.example.com ESMTP Postfix
  software      Postfix
  TLS           TLSv1.3, TLS_AES_256_GCM_SHA384, by STARTTLS
  TLS versions  TLSv1.2, TLSv1.3
    not tried   TLSv1: this machine's TLS library can't
    refused     TLSv1.1
  certificate   verified
    for         mail.example.com, *.example.net
    issuer      CN=R11,O=Let's Encrypt,C=US
    valid       until 1970-04-11, 10 days left
    key         RSA 2048, signed with sha256
  mechanisms    before TLS: none
                with TLS: PLAIN LOGIN
  limit         SIZE 20480000 (20.5 MB)

  capability  before TLS  with TLS
  PIPELINING  yes         yes
  SIZE        10240000    20480000     changed
  STARTTLS    yes         -            lost
  8BITMIME    yes         yes
  AUTH        -           PLAIN LOGIN  gained"""
PINNED = """\
# yaml-language-server: $schema=../schema/scenario.schema.json
name: mx (smtp://mail.example.com) is as it was probed
description: |
  Every capability and mechanism, the limits, TLS and the names of the certificate are as they were.
  A capability that is new does not fail it; 'mailproof probe' made it and makes it again.
tags: [probe]
steps:
  - name: what it shows at once
    connect:
    expect: 220 mail.example.com ESMTP Postfix
  - send: EHLO ${client.name}
    expect: 250
    capabilities:
      PIPELINING: required
      SIZE: {exactly: [10240000]}
      STARTTLS: required
      8BITMIME: required
      AUTH: absent
  - starttls:
    tls_expect:
      version: TLSv1.3
      names: [mail.example.com]
      issuer: CN=R11,O=Let's Encrypt,C=US
      public_key: RSA >= 2048
  - send: EHLO ${client.name}
    expect: 250
    capabilities:
      PIPELINING: required
      SIZE: {exactly: [20480000]}
      AUTH: {exactly: [PLAIN, LOGIN]}
      8BITMIME: required
      STARTTLS: absent
  - connect:
    expect: 220
  - send: EHLO ${client.name}
    expect: any
  - name: TLSv1.1 is refused
    starttls: {min: TLSv1.1, max: TLSv1.1}
    tls_expect: {fails: protocol}
  - connect:
    expect: 220
  - send: EHLO ${client.name}
    expect: any
  - name: TLSv1.2 is spoken
    starttls: {min: TLSv1.2, max: TLSv1.2}
    tls_expect: {version: TLSv1.2}
  - connect:
    expect: 220
  - send: EHLO ${client.name}
    expect: any
  - name: TLSv1.3 is spoken
    starttls: {min: TLSv1.3, max: TLSv1.3}
    tls_expect: {version: TLSv1.3}
"""
HOSTILE = "\x1b[2J${password} *?\\ ' \": # - |\u202e\ud800"


def compiled(text: str) -> list[Problem]:
    problems: list[Problem] = []
    compile_scenario(SourceFile("pinned", text), str, problems)
    return problems


class TestTable:
    def test_golden(self):
        """Every fact has its line, and capabilities stand beside each other with what became of them."""
        assert TABLE == "\n".join(render_facts(FACTS, Style()))

    def test_not_probed(self):
        """A server that could not be probed has one line that says why."""
        lines = render_facts(ServerFacts("mx", "smtp", failure="greeting: connection refused"), Style())
        assert ["mx", "  not probed    greeting: connection refused"] == lines

    @pytest.mark.parametrize(
        ("distrust", "shown"),
        [("unknown issuer", "not trusted: unknown issuer"), ("", "verified")],
        ids=["untrusted", "trusted"],
    )
    def test_trust(self, distrust, shown):
        """A certificate that nobody here trusts is shown, with the reason."""
        lines = render_facts(replace(FACTS, tls=replace(TLS, distrust=distrust)), Style())
        assert f"  certificate   {shown}" in lines

    @pytest.mark.parametrize("columns", [40, 80])
    def test_width_and_hostile_text(self, columns):
        """No line is wider than the terminal and none holds what could move its cursor, whatever a server says."""
        looks = tuple(
            Look(when, {HOSTILE: (HOSTILE, HOSTILE * 40), "X" * 90: ()}) for when in ("before TLS", "with TLS")
        )
        facts = replace(
            FACTS, looks=looks, greetings=(Heard("", "220", "", (HOSTILE * 50,), 0.0),), identity={"name": HOSTILE * 9}
        )
        lines = render_facts(facts, Style(columns=columns))
        assert [] == [line for line in lines if width(line) > columns or not line.isprintable()]

    def test_many_capabilities(self):
        """What floods the table is counted."""
        look = Look("capabilities", {f"X{number}": () for number in range(150)})
        assert "  … 50 more" == render_facts(replace(FACTS, looks=(look,)), Style())[-1]

    def test_nothing_offered(self):
        """A server that tells no capabilities is quoted."""
        lines = render_facts(replace(FACTS, looks=(Look("capabilities", None, "502 5.5.1 no EHLO"),)), Style())
        assert "                capabilities: no capabilities are told: 502 5.5.1 no EHLO" == lines[-1]

    def test_login(self):
        """A login, and what an IMAP server told of its mailboxes then."""
        login = LoginFact("SCRAM-SHA-256", "", ('(("" "/")) NIL NIL',), (("\\Sent", "Sent Messages"),))
        lines = render_facts(replace(FACTS, login=login), Style())
        assert [
            "  login         by SCRAM-SHA-256",
            '    namespaces  (("" "/")) NIL NIL',
            "    \\Sent       Sent Messages",
        ] == lines[lines.index("  login         by SCRAM-SHA-256") :][:3]


class TestPinned:
    def test_golden(self):
        """All that can be judged is demanded, and what is gained only later must be absent before."""
        assert PINNED == pin(FACTS)

    def test_it_compiles(self):
        """The scenario is one."""
        assert [] == compiled(PINNED)

    def test_implicit_tls(self):
        """With implicit TLS the handshake is judged beside the connection."""
        text = pin(replace(FACTS, is_implicit=True, looks=(Look("with TLS", WITH),)))
        assert ([], False, True) == (
            compiled(text),
            "starttls" in text,
            "connect: {tls: {min: TLSv1.1, max: TLSv1.1}}\n    tls_expect: {fails: protocol}\n" in text,
        )

    def test_untrusted(self):
        """What nobody trusts is not verified by the scenario either, and it says why."""
        text = pin(replace(FACTS, tls=replace(TLS, distrust="unknown issuer")))
        assert ([], True, True) == (
            compiled(text),
            "\n# The certificate was not trusted: unknown issuer.\n" in text,
            "\n  - starttls: {verify: false}\n" in text,
        )

    def test_old_tls(self):
        """A server that speaks nothing newer is met in what it speaks."""
        assert "\n  - starttls: {min: TLSv1.1}\n" in pin(replace(FACTS, tls=replace(TLS, version="TLSv1.1")))

    def test_what_varies_in_greetings(self):
        """Dates are left open, and the words in which two greetings differ."""
        greetings = tuple(
            Heard("", "220", "", (f"mx{at} ESMTP Exim 4.96 Wed, 25 Nov 2026 05:36:2{at} +0000",), 0.0) for at in (1, 2)
        )
        text = pin(replace(FACTS, greetings=greetings))
        assert "    expect: 220 * ESMTP Exim 4.96 *\n" in text

    def test_greeting_like_a_form(self):
        """A text that would be read as something else than a text is pinned by its code alone."""
        text = pin(replace(FACTS, greetings=(Heard("", "220", "", ("9.9.9 ready",), 0.0),)))
        assert ([], True) == (compiled(text), "    expect: 220\n" in text)

    def test_login(self):
        """A login is made again, with names for who and what."""
        looks = (*FACTS.looks, Look("after login", {**WITH, "OWNER": ("alice@example.com",)}))
        text = pin(replace(FACTS, looks=looks, login=LoginFact("PLAIN")))
        assert ([], True, False) == (compiled(text), "\n  - auth: PLAIN\n" in text, "alice" in text)

    def test_login_by_token(self):
        """A mechanism that wants a token is given one."""
        text = pin(replace(FACTS, login=LoginFact("XOAUTH2")))
        assert ([], True) == (compiled(text), "\nsecrets: [token]\n" in text)

    @pytest.mark.parametrize("protocol", MANNERS)
    def test_hostile_text(self, protocol):
        """Whatever a server says, the scenario can be read, and none of it becomes a placeholder."""
        code = {"pop3": "+OK", "imap": "OK", "sieve": "OK"}.get(protocol, "220")
        certificate = replace(CERTIFICATE, issuer=HOSTILE, names=(HOSTILE, "ok.example.com"))
        facts = replace(
            FACTS,
            protocol=protocol,
            greetings=(Heard("", code, "", (HOSTILE,), 0.0),),
            looks=tuple(
                Look(when, {HOSTILE: (HOSTILE,), "X-A": (HOSTILE,), "X-B": ("${password}", "a,b]}", "#x:")})
                for when in ("before TLS", "with TLS")
            ),
            tls=replace(TLS, certificate=certificate),
        )
        text = pin(facts)
        assert ([], False) == (compiled(text), "${password}" in text.replace("$${password}", ""))


class TestReading:
    @pytest.mark.parametrize("protocol", MANNERS)
    @pytest.mark.parametrize("is_implicit", [False, True], ids=["starttls", "implicit"])
    @pytest.mark.parametrize("options", [None, "verify: false, min: TLSv1, max: TLSv1"], ids=["clear", "tls"])
    def test_questions_compile(self, protocol, is_implicit, options):
        """Whatever is asked is a scenario."""
        question = Question(protocol, is_implicit, options, logs_in=True, timeout="1500ms")
        assert [] == compiled(question.scenario())

    @pytest.mark.parametrize(
        ("reason", "kind", "words"),
        [
            (
                "TLS: the TLS handshake failed: no common TLS version: x; y",
                FaultKind.TLS_PROTOCOL,
                "no common TLS version: x",
            ),
            ("greeting: expected 220, got 554", None, "greeting: expected 220, got 554"),
        ],
    )
    def test_faults(self, reason, kind, words):
        """What a handshake failed by is found in the reason of its conversation."""
        assert (kind, words) == fault_in(reason)

    @pytest.mark.parametrize(
        ("reason", "told"),
        [
            ("certificate not trusted: unknown issuer; a CA of your own", "unknown issuer"),
            ("certificate expired", "certificate expired"),
        ],
    )
    def test_distrust(self, reason, told):
        """Why a certificate is not trusted is told without advice."""
        case = CaseResult("probe", "mx", Outcome.FAILED, f"TLS: the TLS handshake failed: {reason}")
        assert told == distrust_of(case, is_implicit=False)

    def test_limits(self):
        """Limits are those that a server names last."""
        assert {"SIZE": "20480000"} == limits_of(FACTS.looks)
