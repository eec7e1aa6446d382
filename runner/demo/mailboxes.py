"""The mailboxes of the embedded server: pymap's, in memory, filled by the doors that take mail, and bounded.

Folders, messages and the users' Sieve scripts. It knows nothing of connections and passwords. It imports pymap, so it
is itself imported when a server starts that has a door to read mail by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxData, MailboxSet, Message
from pymap.exceptions import AppendFailure, NotAllowedError
from pymap.parsing.message import AppendMessage
from pymap.sieve import SieveCompiler
from pymap.sieve.tests import MatchTest
from pymap.sieve.util import MatchType

from runner.demo.settings import KEPT_MESSAGES, local_part

if TYPE_CHECKING:
    from pymap.concurrent import Event
    from pymap.parsing.specials import ObjectId
    from pymap.selected import SelectedMailbox

INBOX = "INBOX"
# pymap holds three times as much for each octet of a message.
KEPT_OCTETS = 16 * 1024**2
MOST_FOLDERS = 100
MOST_SCRIPTS = 100

#: A mailbox's folders and its owner's scripts.
Box = tuple["Folders", "Scripts"]


class Room:
    """What all folders keep together: where it gets too much the oldest message goes."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[Folder, int], int] = {}
        self._octets = 0

    def leave(self, folder: Folder, uid: int) -> int:
        """Forget a message; return its size."""
        size = self._sizes.pop((folder, uid), 0)
        self._octets -= size
        return size

    def size_of(self, folder: Folder, uid: int) -> int:
        """Return the octets of a message."""
        return self._sizes.get((folder, uid), 0)

    async def enter(self, folder: Folder, uid: int, size: int) -> None:
        """Count a message; the newest stays whatever its size."""
        self._sizes[folder, uid] = size
        self._octets += size
        while len(self._sizes) > KEPT_MESSAGES or (self._octets > KEPT_OCTETS and len(self._sizes) > 1):
            oldest, number = next(iter(self._sizes))
            self.leave(oldest, number)
            await oldest.delete([number])


class Folder(MailboxData):
    """One folder, whose messages the room counts."""

    def __init__(self, folders: Folders, room: Room) -> None:
        super().__init__(folders._content_cache, folders._thread_cache)  # noqa: SLF001 -- it has no other way in
        self._room = room

    async def append(self, append_msg: AppendMessage, *, recent: bool = False) -> Message:
        """Put a message in."""
        message = await super().append(append_msg, recent=recent)
        await self._room.enter(self, message.uid, len(append_msg.literal))
        return message

    async def copy(self, uid: int, destination: MailboxData, *, recent: bool = False) -> int | None:
        """Copy a message; return its number there."""
        size = self._room.size_of(self, uid)
        return await self._entered(destination, await super().copy(uid, destination, recent=recent), size)

    async def move(self, uid: int, destination: MailboxData, *, recent: bool = False) -> int | None:
        """Move a message; return its number there."""
        size = self._room.leave(self, uid)
        return await self._entered(destination, await super().move(uid, destination, recent=recent), size)

    async def _entered(self, destination: MailboxData, uid: int | None, size: int) -> int | None:
        if uid is not None and isinstance(destination, Folder):
            await self._room.enter(destination, uid, size)
        return uid

    async def update_selected(self, selected: SelectedMailbox, *, wait_on: Event | None = None) -> SelectedMailbox:
        """Bring what a client has open up to date; in IDLE, once there is news.

        pymap waits for the next piece of news even if one has come since it looked.
        """
        is_behind = selected.mod_sequence is not None and selected.mod_sequence < self._mod_sequences.highest
        return await super().update_selected(selected, wait_on=None if is_behind else wait_on)

    async def delete(self, uids: Iterable[int]) -> None:
        """Take messages out."""
        gone = list(uids)
        for uid in gone:
            self._room.leave(self, uid)
        await super().delete(gone)


class Folders(MailboxSet):
    """The folders of one mailbox."""

    def __init__(self, room: Room) -> None:
        super().__init__()
        self._room = room
        self._inbox = Folder(self, room)

    async def add_mailbox(self, name: str) -> ObjectId:
        """Add a folder.

        Raises:
            ValueError: there is one of that name.
        """
        if name in self._set:
            raise ValueError(name)
        if len(self._set) >= MOST_FOLDERS:
            raise NotAllowedError("Too many mailboxes.")
        self._set[name] = folder = Folder(self, self._room)
        return folder.mailbox_id

    async def rename_mailbox(self, before: str, after: str) -> None:
        """Rename a folder; from INBOX the messages go, and a new one takes its place (RFC 3501 6.3.5)."""
        await super().rename_mailbox(before, after)
        if not isinstance(self._inbox, Folder):
            self._inbox = Folder(self, self._room)

    async def get_or_add(self, name: str) -> MailboxData:
        """Return a folder, which need not exist before."""
        if name != INBOX and name not in self._set:
            await self.add_mailbox(name)
        return await self.get_mailbox(name)


class _Keys(MatchTest):
    """The keys of a script's test, each as what finds it."""

    _of_pymap = MatchTest._compile  # noqa: SLF001 -- the one place where keys become patterns

    @classmethod
    def _compile(
        cls, key_list: Sequence[str], match_type: MatchType, case_sensitive: bool
    ) -> Sequence[re.Pattern[str]]:
        """Let `:contains` find a key anywhere (RFC 5228 2.7.1): what pymap makes finds it at the beginning only."""
        found = cls._of_pymap(key_list, match_type, case_sensitive)
        if match_type is not MatchType.CONTAINS:
            return found
        return [re.compile(f"(?s:.*?){one.pattern}", one.flags) for one in found]


# pymap makes its tests by itself and asks nobody for another kind.
MatchTest._compile = _Keys._compile  # type: ignore[method-assign]  # noqa: SLF001


class Scripts(FilterSet):
    """The Sieve scripts of one user."""

    def __init__(self) -> None:
        super().__init__()
        self._compiler = SieveCompiler()

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another script."""
        return len(self._filters) >= MOST_SCRIPTS

    def __contains__(self, name: object) -> bool:
        return name in self._filters


class Mailboxes:
    """A box for each name, and for each user the box of the same name."""

    def __init__(self, names: Iterable[str], users: Iterable[str]) -> None:
        room = Room()
        self._boxes: Mapping[str, Box] = {name: (Folders(room), Scripts()) for name in names}
        self.by_user: dict[str, tuple[MailboxSet, FilterSet]] = {user: self._boxes[local_part(user)] for user in users}

    async def deliver(self, recipient: str, octets: bytes, sender: str) -> None:
        """Put a message where the recipient's script says, else into the inbox."""
        folders, scripts = self._boxes[local_part(recipient)]
        message = AppendMessage(octets, datetime.now().astimezone())
        name = await _choose_folder(scripts, sender, recipient, message)
        if name is not None:
            await _put(await folders.get_or_add(name), message)


async def _choose_folder(scripts: Scripts, sender: str, recipient: str, message: AppendMessage) -> str | None:
    """Return the folder that the active script names, or None if it wants no copy; this server sends no rejections."""
    source = await scripts.get_active()
    if source is None:
        return INBOX
    try:
        script = await scripts.compiler.compile(source)
        return (await script.apply(sender, recipient, INBOX, message))[0]
    except AppendFailure as error:  # `reject`, or, with a cause, an action that pymap does not know
        return INBOX if error.__cause__ else None
    except Exception:  # noqa: BLE001 -- whatever is wrong, the message is kept (RFC 5228 2.10.6)
        return INBOX


async def _put(folder: MailboxData, message: AppendMessage) -> None:
    """Append a message; who has the folder open sees it as recent."""
    selected = folder.selected_set.any_selected
    added = await folder.append(message, recent=selected is None)
    if selected is not None:
        selected.session_flags.add_recent(added.uid)
