"""The three engines are of one mind, and each stays within its bound."""

from collections.abc import Iterator

import pytest
import re2
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runner.matching import regex as regex_module
from runner.matching.charset import contains, fold_text
from runner.matching.pattern import PatternError, Slot, TooLong
from runner.matching.regex import _by_re, _by_re2, compile_regex
from runner.matching.regex_cost import is_quick, search_work
from runner.matching.regex_machine import _EDGES, PROGRAM_LIMIT, Machine
from runner.matching.regex_tree import Chars, Choice, Edge, Group, Node, Repeat, Sequence, Text

ATOMS = ["a", "b", "A", "_", " ", r"\n", ".", r"\w", r"\d", r"\s", r"\W", "[ab]", "[^a]", r"[^ab\n]", "é", r"\b",
         r"\B", "^", "$", r"\A", "1", "[a-c]", "[A-b]", "(?:)", "k", "s", "|"]  # fmt: skip
COUNTS = ["*", "+", "?", "{2}", "{1,2}", "{0,2}", "{2,}", "{0}", "*?", "+?", "??", "{1,2}?"]
FLAGS = st.sampled_from(["", "i", "m", "s", "im", "ims"])


def _extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        inner.map(lambda item: f"({item})"),
        st.tuples(inner, st.sampled_from(COUNTS)).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    )


REGEXES = st.recursive(st.sampled_from(ATOMS), _extend, max_leaves=8)
TEXTS = st.text("aabbAB_ 1\nékKsS\u017f\u212a\x0b", max_size=9)


def _read(source: tuple[str | Slot, ...], flags: str) -> regex_module.Regex:
    try:
        return compile_regex(source, flags)
    except PatternError:
        assume(False)
        raise


@settings(deadline=None)
@given(REGEXES, FLAGS, TEXTS)
def test_engines_agree(regex: str, flags: str, text: str) -> None:
    """`re`, RE2 and the machine find the same match and the same groups."""
    syntax = _read((regex,), flags).syntax
    found = Machine(syntax.root, syntax.group_count).search(text)
    by_re2 = _by_re2(re2, syntax)
    assert by_re2 is not None
    assert found == by_re2(text)
    if is_quick(syntax.root, len(text)):
        assert found == _by_re(syntax.root)(text)


@settings(deadline=None)
@given(REGEXES, REGEXES, FLAGS, st.text("ab.*k\udcff", max_size=3), TEXTS)
def test_engines_agree_on_values(before: str, after: str, flags: str, value: str, text: str) -> None:
    """The same holds for what was filled in, an empty value and a lone surrogate included."""
    slot = Slot("${x}")
    regex = _read((before, "(", slot, ")", after), flags).fill(lambda _: value)
    syntax, text = regex.syntax, text + value + text
    found = Machine(syntax.root, syntax.group_count).search(text)
    by_re2 = _by_re2(re2, syntax)
    assert by_re2 is not None
    assert found == by_re2(text)
    if is_quick(syntax.root, len(text)):
        assert found == _by_re(syntax.root)(text)


@settings(deadline=None)
@given(REGEXES, FLAGS, st.text("ab\n", max_size=12))
def test_machine_takes_at_most_twice_program_times_text_steps(regex: str, flags: str, text: str) -> None:
    """No text makes the machine try the same thing at the same place more than once."""
    syntax = _read((regex,), flags).syntax
    machine = Machine(syntax.root, syntax.group_count)
    places = len(text) + 1
    machine.search(text, limit=2 * len(machine._steps) * places + places)


@settings(deadline=None)
@given(REGEXES)
def test_program_is_no_longer_than_the_size_that_was_checked(regex: str) -> None:
    """The size by which a regex is refused is not below its program's."""
    syntax = _read((regex,), "").syntax
    machine = Machine(syntax.root, syntax.group_count)
    assert len(machine._steps) <= regex_module.size_of(syntax.root) + 1


def test_machine_ends_the_classic_explosion_in_bounded_steps() -> None:
    """`.*a.*b.*c`, on which `re` takes minutes, takes the machine fewer steps than twice program times text."""
    syntax = compile_regex(("(.*)a.*b.*c",)).syntax
    machine = Machine(syntax.root, syntax.group_count)
    assert machine.search("ab" * 1000, limit=2 * len(machine._steps) * 2001) is None


def test_machine_stops_at_its_limit() -> None:
    """Beyond its steps the machine raises: it never says that nothing was found."""
    machine = Machine(compile_regex(("(?:a|b|ab)*c",)).syntax.root, 0)
    with pytest.raises(TooLong) as caught:
        machine.search("ab" * 1000, limit=100)
    expected = "the regex takes too many steps on this text; simplify it, or install the extra 're2'"
    assert expected == caught.value.reason


def test_machine_refuses_a_program_without_bound() -> None:
    """A program beyond its limit isn't built."""
    root = compile_regex(("a{1000}",)).syntax.root
    assert regex_module.size_of(root) > PROGRAM_LIMIT
    with pytest.raises(TooLong) as caught:
        Machine(root, 0)
    assert caught.value.reason == "the regex is too large to be tried in bounded time; make its repeats smaller"


@pytest.mark.parametrize(
    ("regex", "on_a_line", "on_a_reply"),
    [
        pytest.param("queued", True, True, id="literal"),
        pytest.param(r"queued as (?P<id>\w+)", True, True, id="literal, then a run of others"),
        pytest.param(r"^\* SEARCH (\d+)", True, True, id="anchored"),
        pytest.param(r"size=(\d+);", True, True, id="run between others"),
        pytest.param(r"\d{1,3}-\d{1,3}", True, True, id="counted"),
        pytest.param(r"^(\S+) (\S+) (\S+)$", True, True, id="anchored, disjoint"),
        pytest.param(r"\w+@\w+\.com", True, False, id="disjoint, but each start scans"),
        pytest.param("Hello .* pleased", True, False, id="one run"),
        pytest.param(r"(?:\w+\.)+com", True, False, id="a repeat of disjoint parts"),
        pytest.param(".*a.*b", False, False, id="two overlapping runs"),
        pytest.param(".*a.*b.*c", False, False, id="three overlapping runs"),
        pytest.param("(?:a|ab)*c", False, False, id="ambiguous repeat"),
        pytest.param("(?:a+)+b", False, False, id="repeat in a repeat"),
        pytest.param("a?" * 40 + "a" * 40, False, False, id="many optional"),
        pytest.param("(?:a{1,9}){1,9}b", False, False, id="counted in counted"),
        pytest.param(r"(\w+ )+x", False, False, id="group in a repeat: `re` had faults there"),
    ],
)
def test_quickness(regex: str, on_a_line: bool, on_a_reply: bool) -> None:
    """Only what is quick on every text of that length goes to an engine that can't be stopped."""
    root = compile_regex((regex,)).syntax.root
    assert (on_a_line, on_a_reply) == (is_quick(root, 4096), is_quick(root, 65536))


@settings(deadline=None)
@given(REGEXES, FLAGS, st.text("a", max_size=10) | st.text("ab", max_size=10) | st.text("aab_ 1\n", max_size=10))
def test_plain_backtracking_stays_below_the_bound(regex: str, flags: str, text: str) -> None:
    """The bound on which quickness rests is never below what a backtracking search really looks at."""
    root = _read((regex,), flags).syntax.root
    bound = search_work(root, len(text))
    assume(bound < 50_000 and is_quick(root, len(text)))
    looks = [0]
    for start in range(len(text) + 1):
        if next(_ends(root, text, start, looks), None) is not None:
            break
    assert looks[0] <= bound


def _ends(node: Node, text: str, at: int, looks: list[int]) -> Iterator[int]:
    """Yield where `node` may end, in the order of backtracking, and count each look at the text."""
    match node:
        case Text():
            looks[0] += max(1, len(node.text))
            part = text[at : at + len(node.text)]
            if fold_text(part) == fold_text(node.text) if node.folded else part == node.text:
                yield at + len(node.text)
        case Chars():
            looks[0] += 1
            if at < len(text) and contains(node.ranges, ord(text[at])):
                yield at + 1
        case Edge():
            looks[0] += 1
            if _EDGES[node](text, at):
                yield at
        case Sequence():
            yield from _ends_of_all(node.items, text, at, looks)
        case Choice():
            for branch in node.branches:
                yield from _ends(branch, text, at, looks)
        case Group():
            yield from _ends(node.item, text, at, looks)
        case Repeat():
            yield from _ends_of_repeat(node, 0, text, at, looks)


def _ends_of_all(items: tuple[Node, ...], text: str, at: int, looks: list[int]) -> Iterator[int]:
    if not items:
        yield at
        return
    for end in _ends(items[0], text, at, looks):
        yield from _ends_of_all(items[1:], text, end, looks)


def _ends_of_repeat(node: Repeat, done: int, text: str, at: int, looks: list[int]) -> Iterator[int]:
    if done >= node.least and node.lazy:
        yield at
    if node.most is None or done < node.most:
        for end in _ends(node.item, text, at, looks):
            yield from _ends_of_repeat(node, done + 1, text, end, looks)
    if done >= node.least and not node.lazy:
        yield at


@pytest.mark.parametrize("has_re2", [True, False], ids=["with re2", "without re2"])
@pytest.mark.parametrize("regex", [".*(a).*(b).*c", "(a|ab)+c", "(?:a+)+c"])
def test_hard_regex_gives_the_same_with_and_without_re2(
    regex: str, has_re2: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra makes matching faster, never different."""
    if not has_re2:
        monkeypatch.setattr(regex_module, "re2_module", lambda: None)
    compiled = compile_regex((regex,))
    match = compiled.search_text("x\nab" + "ab" * 1200 + "ac")
    assert match is not None
    assert compiled.search_text("ab" * 2500) is None


def test_another_module_named_re2_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only google-re2 has what is needed; other bindings of that name exist."""
    monkeypatch.setitem(__import__("sys").modules, "re2", object())
    regex_module.re2_module.cache_clear()
    try:
        assert regex_module.re2_module() is None
    finally:
        regex_module.re2_module.cache_clear()
