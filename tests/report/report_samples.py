"""Runs as they come, and as no one would wish them: what the tests of reports render."""

from __future__ import annotations

from dataclasses import replace

from runner.redaction import Redactor
from runner.results import CaseResult, Difference, Outcome, Place, RunResult, SessionFacts, StepResult, fold_repeats
from runner.transcript import Transcript

FILE = "scenarios/relay-refused.yaml"
ENDPOINT = "smtp://mx1.example:25"
#: What the clock said when every case began.
BEGUN = 100.0


def place(line, column=7, file=FILE):
    return Place(file, line, column)


def transcript(*events, session="main"):
    """A transcript of (seconds, side, text or bytes)."""
    made = Transcript(session, Redactor({}))
    for at, who, what in events:
        record = {"C": made.sent, "S": made.received, "*": made.note}[who]
        record(BEGUN + at, what)
    return made


CONVERSATION = (
    (0.01, "*", "connected to 192.0.2.1"),
    (0.02, "S", b"220 mx1.example ESMTP\r\n"),
    (0.02, "C", b"EHLO client.example\r\n"),
    (0.03, "S", b"250-mx1.example\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 DSN\r\n"),
    (0.04, "C", b"MAIL FROM:<a@client.example>\r\n"),
    (0.05, "S", b"250 2.1.0 Ok\r\n"),
    (0.05, "C", b"RCPT TO:<x@elsewhere.example>\r\n"),
    (0.12, "S", b"250 2.1.5 Ok\r\n"),
    (0.12, "C", b"QUIT\r\n"),
    (0.13, "S", b"221 2.0.0 Bye\r\n"),
    (0.13, "*", "the server closed the connection"),
)

DELIVERED = CaseResult(
    "delivery to a local mailbox", "mx", Outcome.PASSED, elapsed=0.03, endpoint=ENDPOINT, tls="TLSv1.3"
)

RELAYED = CaseResult(
    scenario="relay refused",
    target="mx",
    outcome=Outcome.FAILED,
    reason="RCPT TO:<${external}>: expected 550 5.7.*, got 250 2.1.5 Ok",
    place=place(1, 1),
    elapsed=0.13,
    endpoint=ENDPOINT,
    tls="TLSv1.3",
    description=(
        "A stranger may not use the server as a relay.\n"
        "If this fails, look at mynetworks and smtpd_relay_restrictions first; an open relay is on the block lists "
        "within hours."
    ),
    steps=(
        StepResult("greeting", place(11), Outcome.PASSED, 0.0, 0.02),
        StepResult("EHLO ${client.name}", place(12), Outcome.PASSED, 0.02, 0.01),
        StepResult("MAIL FROM:<${sender}>", place(13), Outcome.PASSED, 0.04, 0.01),
        StepResult(
            label="RCPT TO:<${external}>",
            place=place(14),
            outcome=Outcome.FAILED,
            started=0.05,
            elapsed=0.07,
            because="RFC 5321 section 3.6.2: a relay that serves everybody will be used by everybody",
            reason="expected 550 5.7.*, got 250 2.1.5 Ok",
            differences=(Difference("code", "550 5.7.*", "250 2.1.5 Ok"),),
        ),
        StepResult("DATA", place(16), Outcome.NOT_RUN),
        StepResult("QUIT", place(18), Outcome.NOT_RUN),
    ),
    transcripts=(transcript(*CONVERSATION),),
    started=BEGUN,
)

REFUSED = CaseResult(
    scenario="STARTTLS is offered",
    target="mx",
    outcome=Outcome.ERROR,
    reason="connect: connection refused",
    elapsed=0.002,
    endpoint=ENDPOINT,
    steps=(
        StepResult(
            "connect", place(4, file="scenarios/tls.yaml"), Outcome.ERROR, 0, 0.002, reason="connection refused"
        ),
        StepResult("EHLO", place(5, file="scenarios/tls.yaml"), Outcome.NOT_RUN),
    ),
)

OWED = CaseResult(
    scenario="replies are counted",
    target="mx",
    outcome=Outcome.FAILED,
    reason="after the last step: a reply is still owed, to MAIL FROM",
    place=place(1, 1, "scenarios/counted.yaml"),
    elapsed=2.0,
    endpoint=ENDPOINT,
    steps=(StepResult("greeting", place(4), Outcome.PASSED, 0, 0.01),),
)

NOTED = CaseResult(
    scenario="the banner tells nothing",
    target="mx",
    outcome=Outcome.PASSED,
    elapsed=0.02,
    endpoint=ENDPOINT,
    steps=(
        StepResult(
            label="greeting",
            place=place(4, 5, "scenarios/banner.yaml"),
            outcome=Outcome.PASSED,
            elapsed=0.01,
            because="a banner tells attackers what to try",
            differences=(
                Difference("text", "220 mx1", "220 mx1 Postfix 3.7 (Debian)", "the text goes on; end with ` *`", True),
            ),
        ),
    ),
    warnings=(
        "greeting: expected 220 mx1, got 220 mx1 Postfix 3.7 (Debian)",
        "the certificate was not verified (verify: false)",
    ),
    transcripts=(transcript(*CONVERSATION[:2]),),
    started=BEGUN,
)

SKIPPED = CaseResult(
    scenario="郵便サーバーの試験、とても長い名前の試験です",
    target="mx",
    outcome=Outcome.SKIPPED,
    reason="requires SMTPUTF8, which the server does not offer",
)

NOT_BEGUN = CaseResult("never begun", "mx", Outcome.NOT_RUN, "the run was interrupted")

GREETED = "250-mx1.example greets you\n250-SIZE 10240000\n250 8BITMIME"
MANY_DIFFERENCES = CaseResult(
    scenario="capabilities",
    target="mx",
    outcome=Outcome.FAILED,
    reason="EHLO: expected 250-mx1.example Hello * …, got 250-mx1.example greets you …",
    elapsed=1.5,
    endpoint=ENDPOINT,
    steps=(
        StepResult(
            label="EHLO",
            place=place(5, 5, "scenarios/a/folder/inside/of/a/folder/inside/of/another/one/capabilities.yaml"),
            outcome=Outcome.FAILED,
            elapsed=1.5,
            reason="expected 250-mx1.example Hello * …, got 250-mx1.example greets you …",
            differences=(
                Difference(
                    "lines", "250-mx1.example Hello *\n...\n250-STARTTLS\n...", GREETED, "no line fits '250-STARTTLS'"
                ),
                Difference("has", "a line with *VRFY*", GREETED),
                Difference("capabilities", "STARTTLS offered", "STARTTLS not offered", "offered: SIZE, 8BITMIME"),
                Difference("within", "within 1 s", "after 1.500 s"),
            ),
        ),
        StepResult(
            label="RCPT TO:<nobody@mx1.example>",
            place=place(7, 5, "scenarios/capabilities.yaml"),
            outcome=Outcome.FAILED,
            started=1.5,
            elapsed=30,
            reason="no whole reply within 30 s: waited for the reply to RCPT TO",
            differences=(Difference("time", "550", "250-2.1 (incomplete, 7 bytes)"),),
        ),
    ),
    transcripts=(
        transcript((0.01, "*", "connected to 192.0.2.1"), (0.02, "S", b"220 mx1.example ESMTP\r\n")),
        transcript((0.015, "*", "connected to 192.0.2.2"), (0.4, "C", b"a1 IDLE\r\n"), session="watcher"),
    ),
    started=BEGUN,
)

HOSTILE_LINES = "\n".join(f"250-X{number} " + "y" * number * 7 for number in range(90))
HOSTILE = CaseResult(
    scenario="hostile\x1b[2J\u202e \u2028server",
    target="mx\x9b31m",
    outcome=Outcome.FAILED,
    reason="EHLO\r: expected 250, got \x1b[31m",
    place=place(1, 1, "a\nb\x07.yaml"),
    elapsed=0.1,
    endpoint="smtp://\x00:25",
    tls="TLS\x85",
    steps=(
        StepResult(
            label="EHLO \x1b]0;title\x07",
            place=place(3, 5, "a\nb\x07.yaml"),
            outcome=Outcome.FAILED,
            because="be\x08cause",
            reason="the server said \x1b[31m",
            differences=(
                Difference("text\t", "250\x00", f"250-\x1b[31mred\n{HOSTILE_LINES}\n250 \u202eend ", "\x7f\nhint"),
            ),
        ),
    ),
    warnings=("\x1b[5mblink\nFAILED  not by us",),
    transcripts=(transcript((0.01, "S", b"220 \x1b[2J\x07mx\r\n250-" + b"z" * 900 + b"\r\n"), session="\x1bs"),),
    started=BEGUN,
)

ALL_CASES = (DELIVERED, RELAYED, REFUSED, OWED, NOTED, SKIPPED, NOT_BEGUN)
MIXED = RunResult(ALL_CASES, 2.24)
TWO_TARGETS = RunResult(
    (DELIVERED, replace(DELIVERED, target="backup", endpoint="smtp://mx2.example:25"), RELAYED), 0.2
)

ROW = "user=alice@example.com from=bob@example.com"
WITH_ROWS = RunResult(
    (
        replace(DELIVERED, scenario="Who may send as whom", row="user=alice@example.com from=alice@example.com"),
        replace(RELAYED, scenario="Who may send as whom", row=ROW),
        replace(SKIPPED, row="eod='\n.\n' to=x"),
        replace(DELIVERED),
    ),
    0.4,
)

OTHER = "backup: send NOOP"
TWO_SESSIONS = CaseResult(
    scenario="a transaction stays open",
    target="mx",
    outcome=Outcome.FAILED,
    reason=f"{OTHER}: expected 250, got 421 4.3.2 too busy",
    place=place(1, 1, "scenarios/two.yaml"),
    elapsed=0.2,
    endpoint=ENDPOINT,
    steps=(
        StepResult("expect 220", place(5), Outcome.PASSED, 0.0, 0.02),
        StepResult(
            label=OTHER,
            place=place(9, file="scenarios/two.yaml"),
            outcome=Outcome.FAILED,
            started=0.05,
            elapsed=0.05,
            reason="expected 250, got 421 4.3.2 too busy",
            differences=(Difference("code", "250", "421 4.3.2 too busy"),),
            session="backup",
        ),
    ),
    sessions=(SessionFacts("main", "mx", ENDPOINT), SessionFacts("backup", "mx2", "smtp://mx2.example:25")),
    transcripts=(
        transcript(*CONVERSATION[:3]),
        transcript(
            (0.03, "*", "connected to 192.0.2.2"),
            (0.04, "S", b"220 mx2.example ESMTP\r\n"),
            (0.05, "C", b"NOOP\r\n"),
            (0.1, "S", b"421 4.3.2 too busy\r\n"),
            session="backup",
        ),
    ),
    started=BEGUN,
)

REPEATED = fold_repeats(
    RunResult(
        (
            *[DELIVERED] * 20,
            *[replace(DELIVERED, scenario="relay refused", elapsed=0.1)] * 16,
            RELAYED,
            RELAYED,
            replace(REFUSED, scenario="relay refused"),
            RELAYED,
            *[replace(DELIVERED, scenario="never finished")] * 3,
            *[replace(NOT_BEGUN, scenario="never finished")] * 17,
            *[replace(NOTED, scenario="a warning each time")] * 20,
        ),
        12.5,
    ),
    20,
)
