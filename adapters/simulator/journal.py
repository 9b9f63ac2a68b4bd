"""Everything that went over the wire, in order: requests, answers, frames, faults, steps."""

from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from itertools import count
from threading import Condition
from time import monotonic

import msgspec


class EntryKind(StrEnum):
    """What an entry of the journal tells of."""

    REQUEST = "request"
    ANSWER = "answer"
    OPENED = "opened"
    CLOSED = "closed"
    RECEIVED = "received"
    SENT = "sent"
    FAULT = "fault"
    EVENT = "event"
    STEP = "step"


class Entry(msgspec.Struct, frozen=True):
    """One line of the journal.

    Parameters
    ----------
    id
        Number in order, from 1; never reused.
    kind, venue, name
        What happened, at which venue, and at which endpoint (`POST /v2/orders`) or stream (`trade_updates`).
    ts_ns
        Time on the wire.
    data
        Body, status, frame and ids, as they were.

    """

    id: int
    kind: EntryKind
    venue: str
    name: str
    ts_ns: int
    data: Mapping[str, object]


class Journal:
    """A bounded list of entries that tests and the control port read.

    Parameters
    ----------
    limit
        Entries that are kept; the oldest go first.

    Examples
    --------
    >>> journal = Journal()
    >>> _ = journal.add(EntryKind.REQUEST, "alpaca", "POST /v2/orders", ts_ns=0, client_id="c-1")
    >>> [entry.data["client_id"] for entry in journal.read(kind="request", name="POST *")]
    ['c-1']

    """

    def __init__(self, limit: int = 100_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=limit)
        self._ids = count(1)
        self._grown = Condition()

    def add(self, kind: EntryKind, venue: str, name: str, *, ts_ns: int, **data: object) -> int:
        """Append an entry and return its id."""
        with self._grown:
            entry = Entry(next(self._ids), kind, venue, name, ts_ns, data)
            self._entries.append(entry)
            self._grown.notify_all()
            return entry.id

    def read(self, *, since: int = 0, kind: str = "*", venue: str = "*", name: str = "*") -> list[Entry]:
        """Return the entries after the id `since`; kind, venue and name may hold shell patterns."""
        from fnmatch import fnmatchcase

        with self._grown:
            entries = list(self._entries)
        return [
            entry
            for entry in entries
            if entry.id > since
            and fnmatchcase(entry.kind, kind)
            and fnmatchcase(entry.venue, venue)
            and fnmatchcase(entry.name, name)
        ]

    def wait_for(
        self, *, since: int = 0, kind: str = "*", venue: str = "*", name: str = "*", deadline_secs: float = 5.0
    ) -> list[Entry]:
        """Return the matching entries as soon as there is one.

        Raises
        ------
        TimeoutError
            When the deadline passes without one.

        """
        ends = monotonic() + deadline_secs
        while True:
            found = self.read(since=since, kind=kind, venue=venue, name=name)
            if found:
                return found
            with self._grown:
                left = ends - monotonic()
                if left <= 0:
                    raise TimeoutError(f"no entry kind={kind} venue={venue} name={name} within {deadline_secs:g} s")
                self._grown.wait(min(left, 0.05))

    @property
    def last_id(self) -> int:
        """Return the id of the newest entry, 0 when there is none."""
        with self._grown:
            return self._entries[-1].id if self._entries else 0
