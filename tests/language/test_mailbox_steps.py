"""What steps of POP3, IMAP, ManageSieve and tcp say, and what is told of those that make no sense there."""

import re

import pytest
from compiling import compiled, problems_in

from runner.language.model import Exchange, Group, Send
from runner.matching.expectation import Expectation, ExpectationError, Short, Until, Word


def steps_of(protocol, *lines):
    return compiled("\n".join((f"name: x\nprotocol: {protocol}\nsteps:", *lines))).steps


def told(protocol, *lines):
    """Return what is wrong with steps: the line in `lines` (from 1), the message and the advice."""
    problems = problems_in("\n".join((f"name: x\nprotocol: {protocol}\nsteps:", *lines)))
    return [(problem.span.line - 3, problem.message, problem.advice) for problem in problems]


def expected(protocol, text):
    (step,) = steps_of(protocol, f"  - expect: {text}")
    assert isinstance(step, Exchange)
    assert step.expect is not None
    return step.expect


# The short form.


@pytest.mark.parametrize(
    ("protocol", "text", "code", "status"),
    [
        ("pop3", "+OK", "+OK", ""),
        ("pop3", "'-ERR [IN-USE]'", "-ERR", "[IN-USE]"),
        ("pop3", "+", "+", ""),
        ("imap", "OK", "OK", ""),
        ("imap", "ok", "OK", ""),
        ("imap", "'NO [AUTHENTICATIONFAILED]'", "NO", "[AUTHENTICATIONFAILED]"),
        ("imap", "'OK [APPENDUID * 3]'", "OK", "[APPENDUID * 3]"),
        ("imap", "PREAUTH", "PREAUTH", ""),
        ("sieve", "no (quota/maxsize)", "NO", "(quota/maxsize)"),
        ("sieve", "BYE", "BYE", ""),
    ],
)
def test_a_code_and_a_status(protocol, text, code, status):
    """Each protocol has codes of its own; their case does not count where the RFC says so."""
    assert (Short(code, status),) == expected(protocol, text).alternatives


@pytest.mark.parametrize(
    ("protocol", "text", "shown"),
    [
        ("pop3", "+OK 2 *", "+OK 2 *"),
        ("imap", "'NO [TRYCREATE] *'", "NO [TRYCREATE] *"),
        ("imap", "OK /done/i", "OK /done/i"),
        ("imap", "'OK [UIDNEXT ${x:-1}] *'", "OK [UIDNEXT ${x:-1}] *"),
        ("tcp", "220 *", "220 *"),
        ("tcp", "OK", "OK"),
        ("tcp", "250-STARTTLS", "250-STARTTLS"),
        ("tcp", "/^2/", "/^2/"),
    ],
)
def test_what_follows_is_text(protocol, text, shown):
    """Where there are no codes all of it is; a status with a placeholder is matched as text, too."""
    (one,) = expected(protocol, text).alternatives
    assert isinstance(one, Short)
    assert one.text is not None
    assert shown == str(one)


@pytest.mark.parametrize(
    ("protocol", "text", "message", "advice"),
    [
        ("imap", "250", "'250' is no reply code of imap", "write a code"),
        ("imap", "OKAY", "'OKAY' is no reply code of imap", ""),
        ("imap", "'OK [TRYCREATE'", "begins like a response code, and its ']' is missing", "write [TRYCREATE]"),
        ("pop3", "OK", "'OK' is no reply code of pop3", "write +OK, -ERR or +"),
        ("sieve", "'NO (QUOTA'", "begins like a response code, and its ')' is missing", "write (QUOTA)"),
        ("pop3", "untagged", "'untagged' is no reply code of pop3", ""),
        ("smtp", "untagged", "", ""),
        ("imap", "untagged", "untagged data: which?", "untagged: '* EXISTS'"),
        ("imap", "[untagged, OK]", "'untagged' beside other replies", "has no other"),
        ("imap", "'untagged 5 EXISTS'", "nothing follows the word 'untagged'", "write 'untagged' alone"),
    ],
)
def test_a_slip_is_told(protocol, text, message, advice):
    """With what is meant."""
    ((line, found, more),) = told(protocol, f"  - expect: {text}")
    assert 1 == line
    assert message in found
    assert advice in more


def test_a_block_has_its_code_where_the_protocol_has_it():
    """POP3 says it first, IMAP and ManageSieve last; other lines are whole."""
    (pop,) = steps_of("pop3", "  - expect: |", "      +OK *", "      1 *", "      +OK is text here")
    (imap,) = steps_of("imap", "  - expect: |", "      * FLAGS *", "      ...", "      OK [READ-WRITE] *")
    blocks = [step.expect.alternatives[0] for step in (pop, imap)]
    assert [["+OK", "", ""], ["", "", "OK"]] == [[line.code for line in block.lines] for block in blocks]
    assert ["*", "1 *", "+OK is text here"] == [str(line.text) for line in blocks[0].lines]


# Keys.


@pytest.mark.parametrize(
    ("protocol", "step", "message"),
    [
        ("imap", "data: x", "'data' has no meaning in imap"),
        ("pop3", "bdat: x", "'bdat' has no meaning in pop3"),
        ("sieve", "expect_line: x", "'expect_line' has no meaning in sieve"),
        ("imap", "{send: NOOP, expect_each: [OK]}", "'expect_each' has no meaning in imap"),
        ("pop3", "{send: NOOP, literal: x}", "'literal' has no meaning in pop3"),
        ("pop3", "{send: NOOP, tag: none}", "'tag' has no meaning in pop3"),
        ("sieve", "{expect: OK, untagged: x}", "'untagged' has no meaning in sieve"),
        ("imap", "{expect: OK, until: /x/}", "'until' has no meaning in imap"),
        ("sieve", "{expect: OK, message: {body: x}}", "'message' has no meaning in sieve"),
        ("tcp", "starttls:", "'starttls' has no meaning in tcp"),
        ("tcp", "auth: PLAIN", "'auth' has no meaning in tcp"),
        ("tcp", "{expect: x, capabilities: [X]}", "'capabilities' has no meaning in tcp"),
        ("smtp", "{send: NOOP, literal: x}", "'literal' has no meaning in smtp"),
        ("lmtp", "{expect: 250, untagged: x}", "'untagged' has no meaning in lmtp"),
    ],
)
def test_what_a_protocol_has_not_is_told(protocol, step, message):
    """With what to write in its place."""
    ((_, found, advice),) = told(protocol, f"  - {step}")
    assert message == found
    assert advice


@pytest.mark.parametrize(
    "text", ["steps: [{when: {capability: X}, expect: y}]", "requires: {capability: X}\nsteps: [{expect: y}]"]
)
def test_a_condition_that_nobody_could_judge_is_told(text):
    """Lines without rules show no capabilities."""
    (problem,) = problems_in(f"name: x\nprotocol: tcp\n{text}\n")
    assert "'capability' has no meaning in tcp" == problem.message


def test_a_literal_ends_a_line():
    """Its values are those of data; without sync it leaves at once."""
    steps = steps_of(
        "imap",
        "  - {send: APPEND a, literal: hello}",
        "  - {send: APPEND a, literal: {text: hello, sync: false}}",
        "  - {send: APPEND a, literal: {size: 1KB}}",
    )
    found = [step.literal for step in steps if isinstance(step, Send)]
    assert [True, False, True] == [one.is_sync for one in found]
    assert ["hello", "hello"] == [str(one.body.head) for one in found[:2]]
    (sieve,) = steps_of("sieve", "  - {send: PUTSCRIPT a, literal: keep;}")
    assert isinstance(sieve, Send)
    assert sieve.literal is not None
    assert not sieve.literal.is_sync


@pytest.mark.parametrize(
    ("protocol", "step", "message"),
    [
        ("imap", "{send: A, literal: {text: x, file: y}}", "'text' and 'file' in one { }"),
        ("sieve", "{send: A, literal: {text: x, sync: true}}", "'sync' is for IMAP; here nothing is waited for"),
        ("imap", "pipeline: [{send: A, literal: x}]", "in a pipeline no go-ahead can be waited for"),
    ],
)
def test_a_literal_told_wrongly(protocol, step, message):
    """What can't be is refused."""
    ((_, found, _),) = told(protocol, f"  - {step}")
    assert message == found


def test_untagged_data_is_expected():
    """Beside a reply, and alone."""
    beside, alone = steps_of(
        "imap",
        "  - {send: NOOP, expect: OK, untagged: ['* EXISTS', '/(?P<n>\\d+) RECENT/']}",
        "  - {expect: untagged, untagged: '* EXISTS', within: 2s}",
    )
    assert ["* EXISTS", r"/(?P<n>\d+) RECENT/"] == [str(one) for one in beside.expect.untagged]
    assert (Word.UNTAGGED,) == alone.expect.alternatives
    assert 2 == alone.expect.within


def test_the_star_that_imap_writes_is_not_written():
    """In front of a word that begins untagged data it can't be meant as a glob."""
    ((_, message, advice),) = told("imap", "  - {expect: OK, untagged: '* CAPABILITY *'}")
    assert "without the '* '" in message
    assert "CAPABILITY *" in advice


@pytest.mark.parametrize(
    ("text", "until"),
    [("{lines: 3}", Until(lines=3)), ("{silence: 500ms}", Until(lines=0, silence=0.5))],
)
def test_a_reply_ends(text, until):
    """By number or by a pause."""
    (step,) = steps_of("tcp", f"  - {{expect: x, until: {text}}}")
    assert until == step.expect.until


def test_a_reply_ends_at_a_line():
    """That a regex finds something in; a glob is refused."""
    (step,) = steps_of("tcp", "  - {expect: x, until: /^END$/}")
    assert "/^END$/" == str(step.expect.until.pattern)
    ((_, message, _),) = told("tcp", "  - {expect: x, until: END}")
    assert "'END' is no regex" == message
    ((_, message, _),) = told("tcp", "  - {expect: x, until: {lines: 0}}")
    assert "'lines' of nothing ends no reply" == message


def test_a_password_that_is_written_out_is_in_no_label():
    """What a report calls the step hides it."""
    steps = steps_of("pop3", "  - {send: PASS hunter2, expect: +OK}", "  - {send: 'PASS ${p:-x}', expect: +OK}")
    assert ["send PASS ⟨password⟩", "send PASS ${p:-x}"] == [step.label for step in steps]
    (imap,) = steps_of("imap", "  - {send: LOGIN alice hunter2, expect: OK}")
    assert "send LOGIN alice ⟨password⟩" == imap.label


def test_a_tag_that_is_written_is_told():
    """The runner writes it."""
    ((_, message, advice),) = told("imap", "  - send: a001 LOGIN alice x")
    assert "a001" in message
    assert "tag: none" in advice
    steps_of("imap", "  - {send: a001 LOGIN alice x, tag: none}")


@pytest.mark.parametrize(
    ("protocol", "block", "advice"),
    [
        ("imap", "* 3 EXISTS\n      ...", "its last line begins with"),
        ("sieve", "'\"a\"'\n      ...", "its last line begins with"),
        ("pop3", "...\n      1 120", "its first line begins with"),
    ],
)
def test_a_block_says_how_the_reply_turned_out(protocol, block, advice):
    """One that would fit a refusal as well is refused."""
    ((_, message, more),) = told(protocol, "  - expect: |", f"      {block}")
    assert "no line says how the reply turned out" == message
    assert advice in more


def test_a_response_is_no_literal():
    """It would leave as it stands, not encoded."""
    ((_, message, _),) = told("sieve", "  - {send: 'AUTHENTICATE \"PLAIN\"', literal: '${x:-1}'}")
    assert "a response as a literal would be sent as it stands" == message


@pytest.mark.parametrize("what", ["code", "status"])
def test_a_line_has_no_code(what):
    """What no reply has can't be captured."""
    ((_, message, _),) = told("tcp", f"  - {{expect: x, capture: {{c: {what}}}}}")
    assert f"a reply of tcp has no {what}" == message


# A talk.


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ('AUTHENTICATE "PLAIN" "AGEAYg=="', 'AUTHENTICATE "PLAIN" "AGEAYg=="'),
        ('AUTHENTICATE "PLAIN" AGEAYg==', 'AUTHENTICATE "PLAIN" "AGEAYg=="'),
    ],
    ids=["as a transcript has it", "bare"],
)
def test_a_sieve_response_that_is_written_out_has_quotes(line, sent):
    """In ManageSieve a response is a string, whether its author wrote the quotes or not."""
    (step,) = steps_of("sieve", f"  - send: '{line}'")
    assert sent == step.line.flat


@pytest.mark.parametrize(
    ("line", "sent"), [("'\"*\"'", '"*"'), ("'*'", '"*"'), ("''", '""'), ("AGEAYg==", '"AGEAYg=="')]
)
def test_a_sieve_response_to_a_challenge_has_quotes(line, sent):
    """So is one that answers a challenge, or cancels."""
    *_, step = steps_of("sieve", "  - {send: 'AUTHENTICATE \"PLAIN\"', expect: +}", f"  - send: {line}")
    assert sent == step.line.flat


@pytest.mark.parametrize("response", [r"\0${user}\0x", r'"\0${user}\0x"'], ids=["bare", "in quotes"])
def test_quotes_around_a_sieve_response_are_not_encoded(response):
    """Those that an author wrote are dropped: they come by themselves, around the base64."""
    first, _, answer = steps_of(
        "sieve",
        f"  - send: 'AUTHENTICATE \"PLAIN\" {response}'",
        "  - {send: 'AUTHENTICATE \"PLAIN\"', expect: +}",
        f"  - send: '{response}'",
    )
    assert [r"\0${user}\0x"] * 2 == [str(first.response), str(answer.line)]


def test_a_quote_is_part_of_a_response_elsewhere():
    """Only ManageSieve has quotes around responses."""
    *_, step = steps_of("imap", "  - {send: AUTHENTICATE PLAIN, expect: +}", "  - send: '\"${user}\"'")
    assert '"${user}"' == str(step.line)


@pytest.mark.parametrize(("protocol", "due"), [("imap", "a code such as OK, NO or BAD"), ("pop3", "+OK, -ERR or +")])
def test_a_value_that_is_no_code_of_the_protocol(protocol, due):
    """What is due in place of a placeholder is told in the protocol's own codes."""
    (alternative,) = expected(protocol, "${reply}").alternatives
    with pytest.raises(ExpectationError, match=re.escape(f"is '250', where {due} is due")):
        alternative.fill(lambda _: "250")


def talk(protocol, *lines):
    (group,) = steps_of(protocol, "  - talk: |", *(f"      {line}" for line in lines))
    assert isinstance(group, Group)
    found = []
    for step in group.steps:
        assert isinstance(step, Exchange)
        wanted = "" if step.expect is None else str(step.expect)
        found.append((str(step.line) if isinstance(step, Send) else "", wanted))
    return found


def test_lines_up_to_the_clients_next_are_one_reply():
    """No line says that it is the last."""
    assert [("", "+OK *"), ("LIST", "+OK 2 messages\n1 120\n2 200"), ("QUIT", "+OK")] == talk(
        "pop3", "S: +OK *", "C: LIST", "S: +OK 2 messages", "S: 1 120", "S: 2 200", "S: .", "C: QUIT", "S: +OK"
    )


def test_a_talk_with_an_imap_server():
    """The greeting has a star; a go-ahead is a reply by itself; what is all untagged came by itself."""
    assert [
        ("", "OK * ready"),
        ("SELECT INBOX", "* 3 EXISTS\n...\nOK [READ-WRITE] *"),
        ("IDLE", "+ idling"),
        ("", "untagged"),
        ("DONE", "OK"),
    ] == talk(
        "imap",
        *("S: * OK * ready", "C: SELECT INBOX", "S: * 3 EXISTS", "S: ...", "S: OK [READ-WRITE] *", "C: IDLE"),
        *("S: + idling", "S: * 4 EXISTS", "C: DONE", "S: OK"),
    )


def test_blanks_that_all_lines_have_are_none_of_theirs():
    """So do RFCs print them."""
    assert [("", "OK hi"), ("NOOP", "* 3 EXISTS\nOK x")] == talk(
        "imap", "S:   * OK hi", "C:   NOOP", "S:   * 3 EXISTS", "S:   OK x"
    )


def test_a_bye_is_a_reply_in_a_talk():
    """Though it is written with a star."""
    assert [("IDLE", "+"), ("", "BYE Autologout")] == talk("imap", "C: IDLE", "S: +", "S: * BYE Autologout")


def test_a_talk_of_lines():
    """Where a reply is one line, each line is one."""
    assert [("", "220-a"), ("", "220 b"), ("QUIT", "221 *")] == talk(
        "tcp", "S: 220-a", "S: 220 b", "C: QUIT", "S: 221 *"
    )


# Sessions.


def test_a_target_that_is_called_like_a_scheme_speaks_it():
    """So that a file can be judged before anybody says what the target is."""
    scenario = compiled("name: x\nsessions: {inbox: imaps}\nsteps:\n  - {session: inbox, expect: OK}\n")
    assert "imap" == scenario.sessions["inbox"].protocol
    (step,) = scenario.steps
    assert isinstance(step, Exchange)
    assert Expectation((Short("OK"),)) == step.expect


def test_a_fragment_speaks_what_its_session_speaks(tmp_path):
    """One that says nothing is judged where it is used."""
    (tmp_path / "login.yaml").write_text("fragment: {params: []}\nsteps: [{expect: OK}]\n")
    text = f"name: x\nsessions: {{inbox: imap}}\nsteps:\n  - {{session: inbox, use: '{tmp_path}/login.yaml'}}\n"
    assert [] == [problem for problem in problems_in(text) if "reply code" in problem.message]


# What newcomers stumble over.


@pytest.mark.parametrize(
    ("protocol", "text", "message", "advice"),
    [
        ("smtp", "+OK", "'+OK' is no reply code of smtp", "+OK is a code of pop3: where that is spoken, write protocol: pop3"),
        ("smtp", "OK", "'OK' is no reply code of smtp", "write protocol: imap or protocol: sieve at the top"),
        ("smtp", "BAD x", "'BAD' is no reply code of smtp", "write protocol: imap at the top"),
        ("lmtp", "-ERR", "'-ERR' is no reply code of lmtp", "write protocol: pop3 at the top"),
        ("imap", "250", "'250' is no reply code of imap", "write protocol: smtp at the top\nin imap write a code such as OK"),
        ("imap", "250-SIZE", "'250-SIZE' is no reply code of imap", "250 is a code of smtp"),
        ("imap", "+OK", "'+OK' is no reply code of imap", "+OK is a code of pop3"),
        ("pop3", "+ok", "'+ok' is no reply code of pop3", "write '+OK'"),
        ("imap", "'* OK hi'", "'expect' is judged without the '* ' that IMAP puts before it", "leave out the '* ': OK hi"),
        ("imap", "'* 1 EXISTS'", "'* 1 EXISTS' is untagged data, and no reply", "write untagged: 1 EXISTS beside the expect"),
        ("imap", "'* * EXISTS'", "'* * EXISTS' is untagged data, and no reply", "write untagged: '* EXISTS' beside"),
        ("imap", "* 1 EXISTS", "a text that starts with '*' wants quotes", "is untagged data, and no reply: write untagged"),
        ("imap", "* OK", "a text that starts with '*' wants quotes", "leave out the '* ': OK"),
        ("tcp", "* OK", "a text that starts with '*' wants quotes", "write: - expect: '* OK'"),
        ("imap", "a1 OK done", "'a1' is a tag, and the runner writes those", "leave it out: OK done"),
        ("imap", "|\n      * FLAGS ()\n      a1 OK", "'a1' is a tag, and the runner writes those", "leave it out: OK"),
        ("imap", "NO or OK", "'NO or OK' asks for NO with the rest as its text", "one of several codes is a list: [NO, OK]"),
        ("smtp", "250 | 251 or 252", "asks for 250 with the rest as its text", "is a list: [250, 251, 252]"),
        ("imap", "OK, NO", "a blank is due after 'OK'", "one of several codes is a list: [OK, NO]"),
        ("tcp", "|\n      a\n      b", "a reply of tcp is one line, and this block has 2", "add until: {lines: 2}"),
        ("tcp", "|\n      a\n      ...", "a reply of tcp is one line", "add until: and a regex for its last line"),
    ],
)  # fmt: skip
def test_what_was_meant_is_told(protocol, text, message, advice):
    """A forgotten `protocol`, what IMAP writes in front, alternatives, lines that no reply has."""
    ((_, found, more),) = told(protocol, f"  - expect: {text}")
    assert message in found
    assert advice in more


def test_lines_of_a_block_that_until_gathers():
    """They are one reply then."""
    (step,) = steps_of("tcp", '  - {expect: "a\\nb\\n", until: {lines: 2}}')
    assert Until(lines=2) == step.expect.until


def test_text_that_only_looks_like_alternatives():
    """Where no code follows it is text."""
    (one,) = expected("imap", "NO or else").alternatives
    assert "NO or else" == str(one)


def test_a_tag_in_a_talk_can_only_be_left_out():
    """There is no place for `tag: none` in it."""
    found = told("imap", "  - talk: |", "      C: a1 NOOP", "      S: a1 OK")
    assert [
        (2, "'a1' is a tag, and the runner writes those", "leave it out"),
        (3, "'a1' is a tag, and the runner writes those", "leave it out: OK"),
    ] == found


def test_a_number_behind_a_star_is_untagged_data():
    """The star is left out there, too."""
    found = told("imap", "  - {expect: OK, untagged: '* 1 EXISTS'}")
    message = "'untagged' is judged without the '* ' that IMAP puts before it"
    assert [(1, message, "leave out '* ' in front: 1 EXISTS")] == found


def test_an_unknown_session_is_one_problem():
    """What its steps say nobody judges by another session's protocol."""
    (problem,) = problems_in(
        "name: x\nsessions: {filter: {target: s, protocol: sieve}}\n"
        "steps:\n  - session: fliter\n    steps: [{expect: OK}, {send: NOOP, expect: OK, untagged: x}]\n"
    )
    assert ("unknown session 'fliter'", "did you mean 'filter'?") == (problem.message, problem.advice)


def test_a_session_that_speaks_something_else_is_named():
    """Its target may have been given on the command line, and what it speaks stands nowhere in the file."""
    problems = problems_in(
        "name: x\nsessions: {inbox: {target: i, protocol: pop3}}\n"
        "steps:\n  - {session: inbox, expect: OK}\n  - {session: inbox, expect: +OK, untagged: x}\n"
    )
    assert [
        "'OK' is no reply code of pop3, which the session 'inbox' speaks",
        "'untagged' has no meaning in pop3, which the session 'inbox' speaks",
    ] == [one.message for one in problems]
    assert "for the session 'inbox' under sessions" in problems[0].advice
