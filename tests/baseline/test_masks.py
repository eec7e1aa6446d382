"""Masks: what varies by itself is hidden, what an operator has configured is not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.baseline.masks import MASKS, VARIES, Masks, compile_mask, matches


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("Ok: queued as 4F3A1B2C5D", "Ok: queued as ⟨queue id⟩"),
        ("Ok: queued as 4ZbCdF1GhjzKlMn", "Ok: queued as ⟨queue id⟩"),
        ("OK id=1tXyz0-0001ab-2c", "OK id=⟨queue id⟩"),
        ("OK id=1tXyz0-00000001abc-2cde", "OK id=⟨queue id⟩"),
        ("w5KA1b2c012345 Message accepted for delivery", "⟨queue id⟩ Message accepted for delivery"),
        ("<bob@example.com> 4Ab+CdEfGhIjKlMnOpQrSt Saved", "<bob@example.com> ⟨queue id⟩ Saved"),
        ("<bob@example.com> 4Ab+CdEfGhIjKlMnOpQrSt:R2 Saved", "<bob@example.com> ⟨queue id⟩ Saved"),
        ("OK 1721 a1-20020a0dsi12345edb.123 - gsmtp", "OK 1721 ⟨queue id⟩ - gsmtp"),
        ("mx ESMTP ready at Mon, 1 Jul 2024 10:00:00 +0200", "mx ESMTP ready at ⟨date⟩"),
        ("since 2024-07-01T10:00:00.123Z", "since ⟨date⟩"),
        ('INTERNALDATE " 1-Jul-2024 10:00:00 +0000"', 'INTERNALDATE "⟨date⟩"'),
        ("started Mon Jul  1 10:00:00 2024", "started ⟨date⟩"),
        ("at 1721000000", "at ⟨date⟩"),
        ("ready <1896.697170952@dbc.mtview.ca.us>", "ready ⟨timestamp⟩"),
        ("Message-ID: <x.1@example.com>", "Message-ID: ⟨message id⟩"),
        ("Hello client [192.0.2.7]", "Hello client [⟨address⟩]"),
        ("Hello client [192.0.2.7]:54321", "Hello client [⟨address⟩"),
        ("from 2001:db8::7", "from ⟨address⟩"),
        ("[UIDVALIDITY 1721300000]", "[UIDVALIDITY ⟨number⟩]"),
        ("[APPENDUID 1721300000 7]", "[APPENDUID ⟨number⟩]"),
        ("* 3 EXISTS", "* ⟨number⟩ EXISTS"),
        ("Fetch completed (0.001 + 0.000 secs).", "Fetch completed (⟨duration⟩)."),
        ("took 0.25 s", "took ⟨duration⟩"),
        ("pop3d[4711] ready", "pop3d[⟨process id⟩] ready"),
        ("SESSIONID=<mail-1234-1721300000-1-99>", "SESSIONID=⟨session id⟩"),
        ("on port 54321", "on port ⟨port⟩"),
    ],
)
def test_what_varies_is_masked(line, masked):
    """Ids, dates, addresses, numbers and times."""
    assert masked == Masks().line(line)


@pytest.mark.parametrize(
    "line",
    [
        "mail.example.com ESMTP Postfix (Debian/GNU)",
        "Sendmail 8.15.2/8.15.2",
        "Exim 4.96",
        "<bob@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
        "Dovecot (Debian) ready.",
        "5.7.1 <carol@example.net>: Relay access denied",
        "Error: timeout exceeded after 300 seconds",
        "see https://example.org/4711",
        "SIZE 10485760",
        "server at 12::",
    ],
)
def test_what_is_configured_is_kept(line):
    """Names, versions, limits, mail addresses and words stay as they are."""
    assert line == Masks().line(line)


def test_what_is_a_cases_own():
    """The case's token and the target's host are masked, and no name that only looks like it."""
    masks = Masks().of_case("k3x9w2ab", ["smtp://MX.example.org:25"])
    line = "mx.example.org took k3x9w2ab11223344 for smx.example.org"
    assert "⟨host⟩ took ⟨unique⟩ for smx.example.org" == masks.line(line)


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing(text):
    """So old files can be masked again."""
    masks = Masks(own=(compile_mask("word", "/[a-z]+/"),)).of_case("k3x9w2ab", ["smtp://mx.example.org:25"])
    once = masks.line(text)
    assert once == masks.line(once)


@pytest.mark.parametrize("text", ["1" * 400, "a:" * 200, "<" + "a." * 190, "1 Jan 2024 1:" * 30, "{" * 400, "- " * 200])
def test_hostile_lines_take_no_time(text):
    """All masks together are done with a line in the blink of an eye."""
    started = time.process_time()
    for _ in range(20):
        Masks().line(text)
    assert 1.0 > time.process_time() - started


def test_names_are_distinct():
    """Each mask of the house has a name of its own, and says what it hides."""
    assert len(MASKS) == len({mask.name for mask in MASKS})
    assert all(mask.hides for mask in MASKS)


class TestOwn:
    def test_hides_what_it_finds(self):
        """A mask that somebody wrote, with flags."""
        assert "⟨ticket⟩ and ⟨ticket⟩" == Masks(own=(compile_mask("ticket", "/REF-[0-9]+/i"),)).line("ref-1 and Ref-22")

    @pytest.mark.parametrize(
        ("name", "written", "why"),
        [
            ("Ticket", "/x/", "no name of a mask"),
            ("ticket", "x", "write it between slashes"),
            ("ticket", "/(/", r"\("),
            ("ticket", "/(a+)+$/", "take long"),
            ("ticket", "/.*a.*b.*c.*d/", "take long"),
        ],
    )
    def test_refused(self, name, written, why):
        """What is no name, no regex or no quick one."""
        with pytest.raises(ValueError, match=why):
            compile_mask(name, written)


@pytest.mark.parametrize(
    ("kept", "now", "is_same"),
    [
        ("a", "a", True),
        ("a", "b", False),
        (f"load {VARIES} of {VARIES}.", "load 1 of 2.", True),
        (f"load {VARIES} of {VARIES}.", "load 1 if 2.", False),
        (VARIES, "anything", True),
        ("anything", VARIES, True),
        (f"aa{VARIES}aa", "aaa", False),
    ],
)
def test_what_varies_is_equal_to_anything(kept, now, is_same):
    """From either side, and only at its place."""
    assert is_same is matches(kept, now)
