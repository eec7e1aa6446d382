"""The quick dataclasses do what the standard ones do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, field, replace
from typing import Any, ClassVar

import pytest

from runner.dataclass import dataclass as quick


@quick(frozen=True, slots=True)
class Place:
    """A frozen value with every kind of field."""

    kind: ClassVar[str] = "place"
    line: int
    column: int = 1
    names: list[str] = field(default_factory=list, compare=False)
    secret: str = field(default="", repr=False)
    known: str = field(default="", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", f"{self.line}:{self.column}")


@quick(frozen=True, slots=True)
class Named(Place):
    """A value that inherits fields."""

    name: str = ""


@quick(frozen=True, slots=True, kw_only=True)
class Keyed:
    """A value whose fields have names in every call."""

    one: int
    two: int = 2


@quick(slots=True)
class Open:
    """A value that may change."""

    text: str
    parts: list[str] = field(default_factory=list)


@quick(slots=True, eq=False, repr=False)
class Bare:
    """A value that is only like itself."""

    text: str = ""


def as_the_standard_has_it(cls: type, **options: Any) -> type:
    """Return the same class made by the standard decorator."""
    space = {
        "__annotations__": inspect.get_annotations(cls),
        "__module__": __name__,
        "__qualname__": cls.__qualname__,
    }
    for one in dataclasses.fields(cls):
        if one.default is not dataclasses.MISSING:
            space[one.name] = one.default
        elif one.default_factory is not dataclasses.MISSING:
            space[one.name] = field(default_factory=one.default_factory)
    return dataclasses.dataclass(**options)(type(cls.__name__, (), space))


@pytest.mark.parametrize(
    ("cls", "options"),
    [(Keyed, {"frozen": True, "slots": True, "kw_only": True}), (Open, {"slots": True})],
    ids=["frozen and keyed", "open"],
)
def test_as_the_standard_one(cls, options):
    """What an instance looks like, and whether it can be hashed, is as of the standard library's."""
    standard = as_the_standard_has_it(cls, **options)
    named = {dataclasses.fields(cls)[0].name: 7}
    assert repr(standard(**named)) == repr(cls(**named))
    assert (standard.__hash__ is None) == (cls.__hash__ is None)
    assert standard.__match_args__ == cls.__match_args__
    assert standard.__slots__ == cls.__slots__


def test_fields_of_every_kind():
    """Defaults, factories, fields that no call gives, inheritance and what comes after the making."""
    one, other = Named(3, name="x"), Named(3, name="x")
    assert one.names is not other.names
    assert ("3:1", "x", "place") == (one.known, one.name, one.kind)
    assert "Named(line=3, column=1, names=[], known='3:1', name='x')" == repr(one)
    assert (one, hash(one)) == (other, hash(other))
    assert one != Named(3, 2, name="x")
    assert one != Place(3)


def test_a_frozen_one_does_not_change():
    """Neither a field nor anything else can be set or deleted."""
    place = Place(3)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'line'"):
        place.line = 4  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'line'"):
        del place.line  # type: ignore[misc]
    assert 3 == place.line


@pytest.mark.parametrize(
    "value", [Named(3, 4, name="x"), Keyed(one=1), Open("a", ["b"])], ids=["frozen", "keyed", "open"]
)
def test_copies(value):
    """Pickled, copied and replaced ones are equal, and of the class."""
    assert [value] * 3 == [pickle.loads(pickle.dumps(value)), copy.deepcopy(value), replace(value)]


def test_replaced():
    """`replace` of the standard library makes it anew with other values."""
    assert "3:9" == replace(Place(3), column=9).known


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Keyed(1), r"Keyed\.__init__\(\) takes 1 positional argument"),
        (Keyed, r"Keyed\.__init__\(\) missing 1 required keyword-only argument: 'one'"),
        (lambda: Place(1, known="x"), "unexpected keyword argument 'known'"),
    ],
    ids=["positional", "missing", "not for the call"],
)
def test_a_wrong_call(call, words):
    """A wrong call is told as of any function, by the class's name; the second as the first."""
    for _ in range(2):
        with pytest.raises(TypeError, match=words):
            call()


def test_what_is_left_to_the_class():
    """Without `eq` one is only like itself, without `repr` nothing of it is shown."""
    one = Bare("x")
    assert one != Bare("x")
    assert 2 == len({one, Bare("x")})
    assert "x'" not in repr(one)
