"""What a file says about how a server is reached, made into values: the PROXY header that goes before everything.

A step's addresses are templates, those of the project file's targets are texts; both are read by the same rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from runner.language.model import ProxyOptions
from runner.language.nodes import Mapping, Node, Scalar
from runner.wire import ProxyHeader

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.errors import Span
    from runner.language.reading import Reading

_VERSIONS: dict[str, Literal[1, 2]] = {"v1": 1, "v2": 2}
#: A step's word for: no header, whatever the target says.
NO_HEADER = "none"


def compile_proxy(reading: Reading, node: Node | None) -> ProxyOptions | None:
    """Compile a step's `proxy_protocol`; None leaves what the target says."""
    version = _version(node)
    if version is None:
        return ProxyOptions() if reading.text(node) == NO_HEADER else None
    source, destination = (reading.template(_end(node, end)) for end in ("source", "destination"))
    if all(template is None or template.is_literal for template in (source, destination)):
        _read(version, node, reading.fail)
    return ProxyOptions(version, source, destination)


def read_proxy(node: Node | None, tell: Callable[[Span, str], Any]) -> ProxyHeader | None:
    """Read a target's `proxy_protocol`; `tell` gets what is wrong, with its place."""
    version = _version(node)
    return _read(version, node, tell) if version is not None else None


def make_proxy(version: Literal[1, 2], source: str, destination: str) -> ProxyHeader:
    """Make the wish for a header of what its addresses are, each empty for the connection's own.

    Raises:
        ValueError: with what would be right.
    """
    from runner.proxy import header, parse_socket  # noqa: PLC0415 -- few servers stand behind a proxy

    made = ProxyHeader(
        version, parse_socket(source) if source else None, parse_socket(destination) if destination else None
    )
    header(version, made.source, made.destination)
    return made


def _version(node: Node | None) -> Literal[1, 2] | None:
    inner = node.get("version") if isinstance(node, Mapping) else node
    return _VERSIONS.get(inner.text) if isinstance(inner, Scalar) else None


def _end(node: Node | None, end: str) -> Scalar | None:
    found = node.get(end) if isinstance(node, Mapping) else None
    return found if isinstance(found, Scalar) and not found.is_empty else None


def _read(version: Literal[1, 2], node: Node | None, tell: Callable[[Span, str], Any]) -> ProxyHeader | None:
    """Read the addresses that are written out; each is told at its own place, what they are together at the first."""
    ends = [_end(node, end) for end in ("source", "destination")]
    texts = [end.text if end is not None else "" for end in ends]
    told = False
    for end in filter(None, ends):
        try:
            make_proxy(version, end.text, "")
        except ValueError as error:
            tell(end.span, str(error))
            told = True
    if told:
        return None
    try:
        return make_proxy(version, *texts)
    except ValueError as error:
        assert ends[0] is not None
        tell(ends[0].span, str(error))
        return None
