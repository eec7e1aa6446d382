"""Protocol machines, sans-I/O. `PROTOCOLS` is the one registry: a protocol is a file and an entry here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from runner.protocol.base import Limits, Machine, Malformed, Owed, Reply, Torn, decode


class _Registry(Mapping[str, type[Machine]]):
    """Machines by the protocol's name; one is imported when it is asked for, as start-up counts."""

    def __init__(self, **places: str) -> None:
        self._places = places
        self._machines: dict[str, type[Machine]] = {}

    def __getitem__(self, name: str) -> type[Machine]:
        machine = self._machines.get(name)
        if machine is None:
            module, _, wanted = self._places[name].partition(":")
            machine = self._machines[name] = getattr(import_module(f"runner.protocol.{module}"), wanted)
        return machine

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


PROTOCOLS: Mapping[str, type[Machine]] = _Registry(
    smtp="smtp:Smtp", lmtp="lmtp:Lmtp", pop3="pop3:Pop3", imap="imap:Imap", sieve="sieve:Sieve", tcp="tcp:Tcp"
)

__all__ = ["PROTOCOLS", "Limits", "Machine", "Malformed", "Owed", "Reply", "Torn", "decode"]
