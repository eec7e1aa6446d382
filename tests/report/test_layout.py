"""Widths, cuts and wraps."""

from __future__ import annotations

import pytest

from runner.report.layout import Colour, Style, cut, ends, hang, plain, width, wrap


@pytest.mark.parametrize(
    ("text", "wide"), [("", 0), ("mx", 2), ("郵便", 4), ("e\u0301", 1), ("\uff46", 2), ("ä", 1)], ids=ascii
)
def test_a_width_is_what_a_terminal_gives(text, wide):
    """Wide and fullwidth characters take two columns, combining marks none."""
    assert wide == width(text)


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("relay", 5, "relay"),
        ("relay!", 5, "rela…"),
        ("郵便郵便", 8, "郵便郵便"),
        ("郵便郵便", 7, "郵便郵…"),
        ("郵便郵便", 6, "郵便…"),
    ],
)
def test_a_cut_text_fits_and_shows_that_it_was_cut(text, columns, shown):
    """No wide character is cut in half: a column stays free instead."""
    assert shown == cut(text, columns)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("250 Ok", "250 Ok"),
        ("a\x1b[2J", "a\\x1b[2J"),
        ("1" * 50, "1111111111… 40 characters left out"),
        ("1234567" + "\x1b" * 9, "1234567… 9 characters left out"),
        ("blank  ", "blank\\x20\\x20"),
    ],
)
def test_a_line_from_outside_is_escaped_and_bounded(text, shown):
    """No escape is cut in half, and the count is that of the characters that came."""
    assert shown == plain(text, 10)


@pytest.mark.parametrize(
    ("more", "is_cut"),
    [("b" * 23, False), ("b" * 25, True), ("\x07" * 5, False), ("\x07" * 6, True)],
    ids=["as long", "longer", "escaped", "longer escaped"],
)
def test_nothing_is_left_out_to_say_so_at_length(more, is_cut):
    """Where the note would be longer than what it stands for, that is shown."""
    assert is_cut == ("left out" in plain("a" * 10 + more, 10))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("short", ["short"]),
        ("one two three", ["one two", "three"]),
        ("abcdefghijkl", ["abcdefghij", "kl"]),
        ("folder/file.x", ["folder/", "file.x"]),
        ("郵便郵便郵便", ["郵便郵便郵", "便"]),
    ],
)
def test_a_line_is_wrapped_where_it_hurts_least(text, rows):
    """At a blank, behind a slash, else at the edge."""
    assert rows == wrap(text, 10, 10)


def test_wrapped_rows_hang_below_their_text():
    """So that a label stands alone in its column."""
    assert ["  hint  aaaa aaaa aaaa aaaa aaaa aaaa", "        bbbbbbbb"] == hang(
        "  hint  ", "aaaa aaaa aaaa aaaa aaaa aaaa bbbbbbbb", Style(40)
    )


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a\nb\nc\nd", (["a", "b", "c", "d"], 0, [])), ("a\nb\nc\nd\ne", (["a", "b"], 2, ["e"])), ("", ([""], 0, []))],
    ids=["fits", "long", "empty"],
)
def test_the_ends_of_a_text_are_its_first_and_last_lines(text, parts):
    """One line is never left out: saying so would take its place."""
    assert parts == ends(text, 2, 1)


def test_colour_is_only_there_where_it_is_wanted():
    """An empty text has none either."""
    coloured, colourless = Style(has_colour=True), Style()
    assert ["\x1b[31mfailed\x1b[0m", "", "failed"] == [
        coloured.paint("failed", Colour.RED),
        coloured.paint("", Colour.RED),
        colourless.paint("failed", Colour.RED),
    ]
