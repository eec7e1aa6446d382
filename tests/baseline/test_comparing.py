"""Comparing: each change is told once, where it shows, and nothing else."""

import pytest
from baseline_samples import case, changes, encrypted, facts, heard, not_run, step, told

from runner.baseline import Masks, compare, learn
from runner.baseline.comparing import PARTS, compare_targets, is_part, without_parts
from runner.baseline.masks import VARIES, compile_mask
from runner.results import Outcome

OFFERED = {"SIZE": ("1000",), "AUTH": ("PLAIN", "LOGIN"), "DSN": ()}


def ehlo(capabilities, *lines):
    return case(step(heard("250", "mx", *lines), capabilities=capabilities))


class TestReplies:
    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            (
                heard("550", "no", status="5.1.1"),
                [("code", "250", "550"), ("status", "2.1.0", "5.1.1"), ("text", "Ok", "no")],
            ),
            (heard("250", "Ok", status="2.1.5"), [("status", "2.1.0", "2.1.5")]),
            (heard("250", "Fine", status="2.1.0"), [("text", "Ok", "Fine")]),
            (heard("250", "Ok", "more", status="2.1.0"), [("text", "no such line", "more")]),
            (heard("250", "Ok", status="2.1.0"), []),
        ],
        ids=["refused", "status", "text", "line", "same"],
    )
    def test_parts(self, now, expected):
        """Code, enhanced status, and only the lines that differ."""
        assert expected == told(case(step(heard("250", "Ok", status="2.1.0"))), case(step(now)))

    def test_several_replies(self):
        """Of several replies each has its number."""
        one, two = heard("250", "Ok"), heard("452", "full")
        assert [("reply 2 code", "250", "452"), ("reply 2 text", "Ok", "full")] == told(
            case(step(one, one)), case(step(one, two))
        )

    def test_lines_of_no_code(self):
        """Replies without a code are lines of one: how they came makes no difference."""
        split = case(step(heard("", "a"), heard("", "b")))
        assert [] == told(case(step(heard("", "a", "b"))), split)

    @pytest.mark.parametrize(
        ("seconds", "expected"),
        [(0.5, []), (5.0, [("latency", "under 0.1 s", "under 10 s")])],
        ids=["one class", "two classes"],
    )
    def test_latency(self, seconds, expected):
        """One class is chance, two are a change."""
        assert expected == told(case(step(heard("250"))), case(step(heard("250", latency=seconds))))

    def test_mechanism_that_was_chosen(self):
        """What `auth: best` took is a fact."""
        before, after = case(step(heard("235"), chosen="SCRAM-SHA-256")), case(step(heard("235"), chosen="PLAIN"))
        assert [("chosen", "SCRAM-SHA-256", "PLAIN")] == told(before, after)


class TestCapabilities:
    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            ({**OFFERED, "SIZE": ("2000",)}, [("capability SIZE", "1000", "2000")]),
            ({**OFFERED, "AUTH": ("PLAIN",)}, [("capability AUTH", "with LOGIN", "without LOGIN")]),
            ({**OFFERED, "AUTH": ("LOGIN", "PLAIN")}, []),
            ({"SIZE": ("1000",), "AUTH": ("PLAIN", "LOGIN")}, [("capability DSN", "offered", "not offered")]),
            ({**OFFERED, "ETRN": ()}, [("capability ETRN", "not offered", "offered")]),
        ],
        ids=["parameter", "mechanism", "order", "lost", "gained"],
    )
    def test_changes(self, now, expected):
        """Gained, lost, and their parameters; the lines that say so are told once."""
        lines = [" ".join([name, *words]) for name, words in now.items()]
        old = [" ".join([name, *words]) for name, words in OFFERED.items()]
        assert expected == told(ehlo(OFFERED, *old), ehlo(now, *lines))

    def test_said_twice(self):
        """`AUTH=PLAIN` of IMAP and AUTH beside SASL are one capability."""
        imap = {"AUTH": ("PLAIN", "LOGIN"), "AUTH=PLAIN": (), "AUTH=LOGIN": ()}
        now = {"AUTH": ("PLAIN",), "AUTH=PLAIN": ()}
        assert [("capability AUTH", "with LOGIN", "without LOGIN")] == told(ehlo(imap), ehlo(now))
        pop = {"AUTH": ("PLAIN",), "SASL": ("PLAIN",)}
        assert [("capability SASL", "PLAIN", "not offered")] == told(ehlo(pop), ehlo({}))

    def test_list_in_a_response_code(self):
        """A list of capabilities in IMAP's response code is told by the capabilities."""
        before = case(
            step(heard("OK", "ready", status="[CAPABILITY IMAP4rev1 ID]"), capabilities={"IMAP4REV1": (), "ID": ()})
        )
        after = case(step(heard("OK", "ready", status="[CAPABILITY IMAP4rev1]"), capabilities={"IMAP4REV1": ()}))
        assert [("capability ID", "offered", "not offered")] == told(before, after)


class TestTls:
    def test_version_and_cipher(self):
        """What was agreed upon."""
        before, after = case(step(tls=encrypted())), case(step(tls=encrypted("TLSv1.2", "ECDHE")))
        expected = [("TLS version", "TLSv1.3", "TLSv1.2"), ("cipher", "TLS_AES_256_GCM_SHA384", "ECDHE")]
        assert expected == told(before, after)

    def test_certificate_that_cannot_be_read(self):
        """Its fingerprint is compared all the same."""
        parts = [
            part
            for part, _, _ in told(
                case(step(tls=encrypted(certificate=b"one"))), case(step(tls=encrypted(certificate=b"two")))
            )
        ]
        assert ["certificate"] == parts

    def test_handshake_that_fails_now(self):
        """Not each fact that is missing is told, but why."""
        reason = "the TLS handshake failed: certificate expired"
        after = case(step(outcome=Outcome.FAILED, reason=reason), outcome=Outcome.FAILED)
        assert [("outcome", "passed", f"failed: {reason}")] == told(case(step(tls=encrypted())), after)


class TestConsequences:
    def test_of_a_reply(self):
        """That the step failed, and that the rest did not run, follows from the reply."""
        before = case(step(heard("250"), sent="a"), step(heard("250"), sent="b"))
        refused = step(heard("550"), sent="a", outcome=Outcome.FAILED, reason="expected 250, got 550")
        after = case(refused, not_run("b"), outcome=Outcome.FAILED)
        assert [("code", "250", "550")] == told(before, after)

    def test_of_nothing_that_was_said(self):
        """An outcome that no reply explains is told itself, with its reason."""
        before = case(step(heard("250"), sent="a"))
        after = case(step(sent="a", outcome=Outcome.ERROR, reason="connection refused"), outcome=Outcome.ERROR)
        assert [("code", "250", "none")] == told(before, after)

    def test_of_the_whole_case(self):
        """So is one that no step explains."""
        same = step(heard("250"))
        after = case(same, outcome=Outcome.FAILED, reason="after the last step: too much")
        assert [("outcome", "passed", "failed: after the last step: too much")] == told(case(same), after)

    def test_steps_that_came_or_went(self):
        """A step that only one side has is a change where nothing else explains it."""
        one, two = step(heard("250"), sent="a"), step(heard("250"), sent="b")
        assert [("step", "passed", "none")] == told(case(one, two), case(one))
        assert [("step", "none", "passed")] == told(case(one), case(one, two))

    def test_steps_of_one_name(self):
        """They are told apart by their number."""
        one, two = step(heard("250"), sent="a"), step(heard("550"), sent="a")
        (change,) = changes(case(one, one), case(one, two))
        assert ("a", 2) == (change.step, change.at)


class TestCases:
    def test_one_that_is_new(self):
        """What has nothing to be compared with is not taken for unchanged."""
        assert [("case", "not there", "passed")] == told((), (case(step(heard())),))

    def test_one_that_was_not_run(self):
        """It counts only where all was to be run."""
        assert [("case", "passed", "not there")] == told((case(step(heard())),), ())
        assert [] == told((case(step(heard())),), (), is_whole=False)

    def test_rows_and_doubles(self):
        """Rows, targets and cases of one name are compared each with its own."""
        one, two = case(step(heard("250"))), case(step(heard("251")))
        assert [] == told(
            (one, two, case(step(heard("252")), row="a=1")), (one, two, case(step(heard("252")), row="a=1"))
        )

    def test_target_of_another_name(self):
        """Where it can be no other it is the same."""
        assert [] == told(case(step(heard())), case(step(heard()), target="mx2"))
        two = (case(step(heard())), case(step(heard()), target="mx2"))
        assert ["case", "case"] == [
            part for part, _, _ in told((case(step(heard()), target="mx3"),), two, is_whole=False)
        ]

    def test_two_targets(self):
        """A migration: in what the second differs from the first."""
        old, new = (
            facts(case(step(heard("250", "mx.example.org ready")), target="old")),
            facts(case(step(heard("251")), target="new")),
        )
        (code, text) = compare_targets(old, new, Masks())
        assert ("new", "250", "251") == (code.case[2], code.before, code.after)
        assert "⟨host⟩ ready" == text.before


class TestWhatVaries:
    def test_hostile_server(self):
        """A server can't say that it is equal to anything."""
        assert [("text", "Ok", "varies⟩")] == told(case(step(heard("250", "Ok"))), case(step(heard("250", VARIES))))

    def test_learnt(self):
        """What differed between runs is compared no more, at its place and nowhere else."""
        runs = [facts(case(step(heard("250", f"load {load} of 9", status="2.0.0")))) for load in (1, 2, 7)]
        kept = learn(runs)
        assert [] == compare(
            kept, facts(case(step(heard("250", "load 5 of 9", status="2.0.0")))), Masks(), is_whole=True
        )
        (change,) = compare(
            kept, facts(case(step(heard("250", "load 5 of 8", status="2.0.0")))), Masks(), is_whole=True
        )
        assert ("load ⟨varies⟩ of 9", "load 5 of 8") == (change.before, change.after)

    def test_learnt_of_steps(self):
        """A step that ran only at times may come or not."""
        one, two = step(heard("250"), sent="a"), step(heard("250"), sent="b")
        kept = learn([facts(case(one, two)), facts(case(one))])
        assert [] == compare(kept, facts(case(one)), Masks(), is_whole=True)
        assert [] == compare(kept, facts(case(one, two)), Masks(), is_whole=True)

    def test_learnt_latency(self):
        """The slowest counts."""
        kept = learn([facts(case(step(heard("250", latency=seconds)))) for seconds in (0.01, 5.0)])
        assert [] == compare(kept, facts(case(step(heard("250", latency=20.0)))), Masks(), is_whole=True)

    def test_own_masks(self):
        """They are applied to both sides: to a file that was saved before they were written, too."""
        before, after = facts(case(step(heard("250", "ref-1")))), facts(case(step(heard("250", "ref-2"))))
        assert [] == compare(before, after, Masks(own=(compile_mask("ticket", "/ref-[0-9]/"),)), is_whole=True)


def test_parts_that_are_ignored():
    """By a part's name, or by the words that it begins with."""
    after = case(step(heard("251"), tls=encrypted(certificate=b"x"), capabilities={"DSN": ()}))
    found = changes(case(step(heard("250"), tls=encrypted(certificate=b"y"))), after)
    assert ["code"] == [one.part for one in without_parts(found, ["certificate", "capability"])]


@pytest.mark.parametrize(
    ("ignored", "left"),
    [
        ("text", ["code", "reply 2 code"]),
        ("code", ["text", "reply 2 text"]),
        ("reply 2", ["code", "text"]),
        ("te", None),
    ],
)
def test_ignored_in_every_reply(ignored, left):
    """A part of a further reply is one of its kind; a piece of a word is none."""
    before = case(step(heard("250", "a"), heard("250", "b")))
    found = changes(before, case(step(heard("550", "c"), heard("550", "d"))))
    names = [one.part for one in found]
    assert (left or names) == [one.part for one in without_parts(found, [ignored])]


def test_every_part_can_be_ignored():
    """Whatever a run brings, there is a word for it; and what never comes is no part."""
    tls = encrypted(certificate=b"broken")
    one = step(heard("250", "a", status="2.0.0", latency=3), heard("251", "b"), capabilities={"SIZE": ("1",)}, tls=tls)
    failed = step(outcome=Outcome.FAILED, reason="no", chosen="PLAIN", sent="auth")
    named = {name for told in facts(case(one, failed))[0].steps for name in told.parts}
    assert named > {"chosen", "latency", "reply 2 code", "capability SIZE", "certificate problem", "reason"}
    assert set() == {name for name in named if not is_part(name)}
    assert [True] * len(PARTS) == list(map(is_part, PARTS))
    never = ("latenc", "capability A B", "reply x", "", "codes", "certificate reply 2 key")
    assert [False] * len(never) == list(map(is_part, never))
