"""Secrets stay hidden, whichever form a server gives them."""

from __future__ import annotations

import base64
import copy
import hashlib
import html
import json
import pickle
import time
from itertools import takewhile
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.errors import escape
from runner.redaction import MOST_HITS, Mark, Redactor

PASSWORD = "p4ss&wörd/<7>"

secrets = st.text(min_size=4, max_size=20).filter(lambda text: len(text.translate({10: "", 13: ""})) >= 4)
fragments = st.text(max_size=12)


def core(secret: bytes, offset: int) -> str:
    """The base64 characters that are the same whatever stands around the secret."""
    low, high = (base64.b64encode(pad * offset + secret + pad * 3).decode() for pad in (b"\0", b"\xff"))
    same = [mine == other for mine, other in zip(low, high, strict=True)]
    start = same.index(True, offset)
    while not all(same[start : start + 4]):
        start += 1
    return low[start : start + sum(1 for _ in takewhile(bool, same[start:]))]


def needles(secret: str) -> dict[str, str]:
    """What must never be seen, by the name of the form."""
    octets = secret.encode()
    cores = {f"base64 at {offset}": core(octets, offset) for offset in range(3)}
    urls = {f"{name}, url": text.translate(str.maketrans("+/", "-_")) for name, text in cores.items()}
    digests = {name: hashlib.new(name, octets).hexdigest() for name in ("md5", "sha1", "sha256")}
    return {"raw": secret, "hex": octets.hex(), "HEX": octets.hex().upper(), **cores, **urls, **digests}


def spellings(secret: str) -> dict[str, str]:
    """How a server may spell the secret, as decoded text."""
    octets = secret.encode()
    url_safe = base64.urlsafe_b64encode(octets).decode()
    return {
        **needles(secret),
        "base64": base64.b64encode(octets).decode(),
        "base64 behind one": base64.b64encode(b"\0" + octets).decode(),
        "base64 behind two": base64.b64encode(b"u\0" + octets).decode(),
        "base64url": url_safe,
        "base64url without padding": url_safe.rstrip("="),
        "base64, quoted": quote(base64.b64encode(octets).decode(), safe=""),
        "quote": quote(secret),
        "quote all": quote(secret, safe=""),
        "quote, lower case": quote(secret, safe="").lower(),
        "quote_plus": quote_plus(secret),
        "html": html.escape(secret),
        "xml": html.escape(secret, quote=False),
        "character references": html.escape(secret).encode("ascii", "xmlcharrefreplace").decode(),
        "json": json.dumps(secret)[1:-1],
        "json, unicode": json.dumps(secret, ensure_ascii=False)[1:-1],
        "escaped": escape(secret),
        "upper case": secret.encode().upper().decode(),
        "base64 of a digest": base64.b64encode(hashlib.sha256(octets).digest()).decode(),
        "url base64 of a digest": base64.urlsafe_b64encode(hashlib.sha1(octets).digest()).decode(),
    }


SPELLINGS = {name: text for name, text in spellings(PASSWORD).items() if "behind" not in name}


def assert_hidden(secret: str, output: str) -> None:
    shown = output.lower()
    leaks = [name for name, needle in needles(secret).items() if needle.lower() in shown]
    assert leaks == []


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_each_form_is_hidden(spelling):
    """Every form becomes the name alone, and what stands around stays."""
    assert Redactor({"password": PASSWORD}).mask(f"535 ({spelling}) no") == "535 (⟨password⟩) no"


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("line_break", ["\r\n250-", "\r\n250 ", "\n", "\r\n250-2.1.0 ", "\r\n ", "=\r\n"])
def test_a_form_broken_over_lines_is_hidden(spelling, line_break):
    """A server that wraps a secret gives nothing away, and the lines stay lines."""
    half = len(spelling) // 2
    while "%" in spelling[half - 2 : half] or "&" in spelling[half - 5 : half] or "\\" in spelling[half - 6 : half]:
        half -= 1
    text = f"250-a {spelling[:half]}{line_break}{spelling[half:]} b"
    masked = Redactor({"password": PASSWORD}).mask(text)
    kept = line_break.removeprefix("=")
    assert f"250-a ⟨password⟩{kept}⟨password⟩ b" == masked.replace("=\r\n", "\r\n")


@settings(deadline=None)
@given(secrets, st.data())
@example("&\\<'\"%41", None)
def test_no_form_survives_at_any_place(secret, data):
    """Property 5: nothing built from a secret and anything around it shows the secret."""
    forms = list(spellings(secret).values())
    if data:
        parts = st.one_of(st.sampled_from(forms), fragments, st.sampled_from(["\r\n250-", "\r\n", "\\", "%", "&"]))
        texts = ["".join(data.draw(st.lists(parts, max_size=6)))]
    else:
        texts = [f"{before}{form}" for form in forms for before in ("", "\\", "%", "&", "%4", "&#3")]
    for text in texts:
        masked = Redactor({"password": secret}).mask(text)
        assert_hidden(secret, masked)
        assert_hidden(secret, masked.replace("\r", "").replace("\n", "") if "\n" not in secret else masked)
        assert_hidden(secret, html.unescape(masked) if "&" in masked else masked)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["password", "token", "secret", "a⟩b"]), secrets, min_size=1), st.data())
def test_masking_is_idempotent_and_final(values, data):
    """What was masked holds no secret, also none that the masks made, and stays as it is."""
    pieces = st.one_of(fragments, *[st.sampled_from(sorted(spellings(value).values())) for value in values.values()])
    text = "".join(data.draw(st.lists(pieces, max_size=6)))
    redactor = Redactor(values)
    masked = redactor.mask(text)
    assert masked == redactor.mask(masked)
    for value in values.values():
        assert_hidden(value, masked)


@settings(deadline=None)
@given(st.binary(max_size=200), secrets)
def test_marks_are_ordered_and_apart(noise, secret):
    """Marks come in order, do not touch each other's bytes and lie within the data."""
    data = noise + secret.encode() + noise
    marks = Redactor({"password": secret}).find(data)
    edges = [edge for mark in marks for edge in (mark.start, mark.end)]
    assert sorted(edges) == edges
    assert all(0 <= mark.start < mark.end <= len(data) for mark in marks)


def test_bytes_are_marked_by_position():
    """Positions are those of the bytes, also behind bytes that are no text."""
    assert [Mark(4, 11, "password")] == Redactor({"password": "hunter2"}).find(b"\xff\xfe\xc3\xa4hunter2 no")


def test_latin_1_and_utf_8_are_one_secret():
    """A server that answers in another charset than it was asked in shows nothing."""
    redactor = Redactor({"password": "pässwörd"})
    assert [Mark(0, 8, "password")] == redactor.find("pässwörd".encode("latin-1"))
    assert [Mark(0, 10, "password")] == redactor.find("pässwörd".encode())


def test_half_determined_base64_characters_are_hidden():
    """A base64 character that holds some bits of the secret and some of its neighbour goes, too."""
    token = base64.b64encode(b"\0hunter2yz").decode()
    assert f"{token[:1]}⟨password⟩{token[11:]}" == Redactor({"password": "hunter2"}).mask(token)


def test_short_secrets_are_named_and_not_searched():
    """Under four characters a secret is masked by position only; an empty one is none."""
    redactor = Redactor({"pin": "123", "empty": "", "password": "1234"})
    assert redactor.short == ("pin",)
    assert redactor.mask("123 1234") == "123 ⟨password⟩"


def test_no_secrets_change_nothing():
    """A redactor that knows nothing hides nothing."""
    assert Redactor().mask("250 \x1b[2J ⟨x⟩") == "250 \x1b[2J ⟨x⟩"


def test_learnt_forms_are_hidden():
    """What was derived from a secret is masked wherever it comes back, as base64 and hex, too."""
    redactor = Redactor({"password": "hunter2"})
    assert redactor.mask("no") == "no"
    redactor.learn("password", b"\0me\0hunter2")
    redactor.learn("password", "6e0fa1b2")
    token = base64.b64encode(b"\0me\0hunter2").decode()
    assert redactor.mask(f"{token} 6E0FA1B2") == "⟨password⟩ ⟨password⟩"
    assert redactor.mask(b"6e0fa1b2".hex()) == "⟨password⟩"


def test_learning_nothing_masks_nothing():
    """An empty response (SASL EXTERNAL) hides no text."""
    redactor = Redactor()
    redactor.learn("token", b"")
    assert redactor.mask("250 ok") == "250 ok"


def test_overlapping_secrets_leave_no_rest():
    """Two secrets in one stretch are hidden as one, under the longer one's name."""
    redactor = Redactor({"first": "abcdef", "second": "defghijk"})
    assert redactor.mask("<abcdefghijk>") == "<⟨second⟩>"


def test_repeating_secrets_leave_no_rest():
    """A secret that overlaps itself is hidden to its last character."""
    assert Redactor({"password": "abababab"}).mask("<abababababab>") == "<⟨password⟩>"


@pytest.mark.parametrize(
    ("name", "value", "marker"),
    [
        ("password", "password", "⟨secret⟩"),
        ("password", "word", "⟨secret⟩"),
        ("secret", "secret", "⟨•⟩"),
        ("password", "a⟨b⟩c", "▀"),
        ("password", "⟨▀⟩▀", "▁"),
    ],
)
def test_a_marker_never_spells_a_secret(name, value, marker):
    """A secret that looks like its own name or marker is hidden by another one."""
    assert f"x {marker} y" == Redactor({name: value}).mask(f"x {value} y")


def test_names_are_escaped():
    """A name is shown harmlessly."""
    assert Redactor({"a\x1bb": "hunter2"}).mask("hunter2") == "⟨a\\x1bb⟩"


def test_captures_that_overlap_are_named():
    """A capture that holds a secret, or a part of one, is known as that secret's."""
    redactor = Redactor({"password": "hunter2", "token": "opensesame"})
    assert [redactor.overlaps(text) for text in ("b3BlbnNlc2FtZQ==", "Unter", "ter", "queued as 4711")] == [
        "token",
        "password",
        "",
        "",
    ]


def test_a_redactor_keeps_its_secrets():
    """Neither repr nor a copy that could travel shows or takes a secret."""
    redactor = Redactor({"password": "hunter2"})
    assert repr(redactor) == "<Redactor of 1 secrets>"
    for leave in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            leave(redactor)


@pytest.mark.parametrize("tile", ["hunter2", "h\r\nu\r\n", "%68", "&#104;", "\\", "\r\n250-", "aaaa"])
def test_searching_is_linear(tile):
    """Text made to be searched slowly costs no more than its length (far below a second for 64 KiB)."""
    redactor = Redactor({"password": "hunter2", "token": "a" * 500})
    text = tile * (65536 // len(tile))
    start = time.process_time()
    redactor.find(text)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("from_end", [False, True], ids=["start", "end"])
def test_a_cut_secret_lies_within_reach(from_end):
    """What a cut may have left of a secret is told, however it is spelt over lines."""
    redactor = Redactor({"password": "hunter2"})
    part = b"".join(b"\r\n250-%c" % char for char in b"hunter")
    data = b"x" * 5000 + part if from_end else part + b"x" * 5000
    assert len(part) <= redactor.reach(data, from_end=from_end) < 1000
    assert Redactor().reach(data, from_end=from_end) == 0
    assert len(part) == redactor.reach(part, from_end=from_end)


def test_values_that_are_no_text_are_hidden():
    """A secret from the environment may hold any byte, and a SASL response any at all."""
    redactor = Redactor({"password": "hunter\udcff2", "other": "ab\ud800cd"})
    redactor.learn("response", b"\xff\xfe\x00\x01")
    assert [Mark(0, 8, "password")] == redactor.find(b"hunter\xff2")
    assert redactor.mask("hunter\udcff2 ab\ud800cd") == "⟨password⟩ ⟨other⟩"
    assert redactor.mask("FFFE0001") == "⟨response⟩"


def test_a_text_full_of_secrets_is_hidden_whole():
    """However often a server says a secret, it costs little to hide it; no line shows anything then."""
    text = "535-no %73ecret1 here\n" * MOST_HITS
    assert "⟨password⟩\n" * MOST_HITS == Redactor({"password": "secret1"}).mask(text)
