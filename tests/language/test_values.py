"""How keys read their texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.language.values import parse_boolean, parse_count, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2.0),
        ("1m30s", 90.0),
        ("10m", 600.0),
        ("1h", 3600.0),
        ("1.5s", 1.5),
        ("1h1ms", 3600.001),
    ],
)
def test_a_duration_is_seconds(text, seconds):
    """Units are added up, the larger first."""
    assert seconds == parse_duration(text)


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_duration, "30", "'30' is no duration; say 30s"),
        (parse_duration, "", "'' is no duration: 500ms, 2s, 1m30s, 1h"),
        (parse_duration, "30s1m", "'30s1m' is no duration: 500ms, 2s, 1m30s, 1h"),
        (parse_duration, "0s", "'0s' is no time at all"),
        (parse_duration, "-1s", "'-1s' is no duration: 500ms, 2s, 1m30s, 1h"),
        (parse_duration, "2s\n", "'2s\n' is no duration: 500ms, 2s, 1m30s, 1h"),
        (parse_duration, "\u0662s", "'\u0662s' is no duration: 500ms, 2s, 1m30s, 1h"),
        (parse_duration, "1000h", "'1000h' is longer than 168h, the longest duration"),
        (parse_boolean, "maybe", "'maybe' is neither true nor false"),
        (parse_count, "-1", "'-1' is no whole number from 0"),
        (parse_count, "\u0662", "'\u0662' is no whole number from 0"),
        (parse_count, "1" * 10, "'1111111111' is no whole number from 0"),
        (parse_size, "10XB", "'10XB' is no size: 512, 64KiB, 10MB"),
        (parse_size, "10mb", "'10mb' is no size: 512, 64KiB, 10MB"),
    ],
)
def test_what_cannot_be_read_is_told_plainly(parse, text, message):
    """The message quotes the text and shows what would be right."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    assert message == str(caught.value)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("yes", True), ("false", False), ("no", False)])
def test_a_boolean_is_one_of_four_words(text, value):
    """YAML 1.1 has more; these are what the schema lists."""
    assert value is parse_boolean(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512", 512), ("10MB", 10_000_000), ("10MiB", 10_485_760), ("1.5 KB", 1500), ("1GiB", 1024**3), ("7B", 7)],
)
def test_a_size_is_bytes(text, size):
    """MB counts in thousands, MiB in 1,024s."""
    assert size == parse_size(text)


@given(st.text(max_size=50))
def test_any_text_is_read_or_refused(text):
    """No other exception, whatever is written."""
    for parse in (parse_duration, parse_boolean, parse_count, parse_size):
        try:
            told = parse(text) >= 0
        except ValueError as error:
            told = text in str(error)
        assert told
