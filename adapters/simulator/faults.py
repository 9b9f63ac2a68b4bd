"""What is to go wrong, where and when: a plan that servers ask at every request, frame and handshake.

A fault names a kind, an endpoint or stream as a shell pattern (`POST /v2/orders`, `stream:trade_updates`), and which of
the matching occurrences it strikes: the nth, of one order, by chance with the plan's seed. The same plan on the same
traffic strikes the same occurrences.
"""

from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import msgspec

SCENARIO_VERSION = 1


class FaultKind(StrEnum):
    """What goes wrong."""

    # HTTP, before the request is executed
    DELAY_REQUEST = "delay_request"
    DROP_REQUEST = "drop_request"
    STATUS = "status"
    # HTTP, after it was executed
    DELAY_ANSWER = "delay_answer"
    DROP_ANSWER = "drop_answer"
    STATUS_AFTER = "status_after"
    HTML_200 = "html_200"
    TRUNCATED_JSON = "truncated_json"
    EMPTY_BODY = "empty_body"
    WRONG_LENGTH = "wrong_length"
    DRIP = "drip"
    # bodies and frames alike
    SET_FIELD = "set_field"
    DROP_FIELD = "drop_field"
    # sockets: the handshake, the whole connection, single frames
    HANDSHAKE = "handshake"
    MUTE = "mute"
    HALF_OPEN = "half_open"
    ABORT = "abort"
    CLOSE = "close"
    DELAY_FRAME = "delay_frame"
    OMIT_FRAME = "omit_frame"
    DUPLICATE_FRAME = "duplicate_frame"
    REORDER_FRAMES = "reorder_frames"
    COALESCE_FILLS = "coalesce_fills"
    LOSE_SUBSCRIPTION = "lose_subscription"
    # the venue itself
    REJECT_ORDER = "reject_order"
    REFUSE = "refuse"
    IGNORE_CANCEL = "ignore_cancel"
    LATE_FILL = "late_fill"
    LAG = "lag"


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One thing that goes wrong.

    Parameters
    ----------
    kind
        What.
    where
        Shell pattern over `METHOD /path`, `stream:name` or `model:name` (orders, positions, fills,
        activities, account).
    venue
        Shell pattern over the venue's name.
    nth
        The first matching occurrence that is struck, counted from 1 when the fault was added.
    times
        How many from there on; 0 is all of them.
    order_id, client_id
        Only occurrences of this order; "" is any.
    event
        Only frames of this event or type (`fill`, `new`, `q`); "" is any.
    chance
        Probability that a matching occurrence is struck.
    secs
        Duration of a delay or a lag, wall seconds; between two bytes of a drip; how long a dropped request or answer
        leaves the client hanging before its connection is reset.
    status
        HTTP status of `status`, `status_after` and `handshake`.
    html
        Whether such a status has an HTML body, as a proxy's has.
    code
        Close code of `close`.
    count
        How many copies `duplicate_frame` sends; how many frames `reorder_frames` shuffles and `coalesce_fills` joins.
    path, value
        Dotted path of a field, and what it is set to by `set_field`; a path that leads nowhere adds the field.
    reason
        Name of a refusal (`insufficient_buying_power`) for `refuse`; text for `reject_order`.

    """

    kind: FaultKind
    where: str = "*"
    venue: str = "*"
    nth: int = 1
    times: int = 1
    order_id: str = ""
    client_id: str = ""
    event: str = ""
    chance: float = 1.0
    secs: float = 0.0
    status: int = 500
    html: bool = False
    code: int = 1000
    count: int = 2
    path: str = ""
    value: Any = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.nth < 1 or self.times < 0 or not 0 <= self.chance <= 1 or self.secs < 0 or self.count < 2:
            raise ValueError(
                "a fault needs nth >= 1, times >= 0, chance in [0, 1], secs >= 0 and count >= 2, "
                f"was {self.nth}, {self.times}, {self.chance}, {self.secs}, {self.count}"
            )


class Occurrence(msgspec.Struct, frozen=True, kw_only=True):
    """A request, frame, handshake or read that a fault may strike; the ids are all that are known to belong to it."""

    venue: str
    where: str
    order_ids: tuple[str, ...] = ()
    client_ids: tuple[str, ...] = ()
    event: str = ""


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that the control port does at a time of a scenario.

    Parameters
    ----------
    at_secs
        Venue seconds after the start.
    do
        Name of the act, as `adapters.simulator.acts` knows it.
    arguments
        What the act takes, as in the control port's `POST /act`.

    """

    at_secs: float
    do: str
    arguments: dict[str, Any] = {}


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file of faults and acts.

    Parameters
    ----------
    version
        1.
    seed
        Of the chances.
    faults, acts
        What goes wrong, and what happens at which time.

    """

    version: int
    seed: int = 0
    faults: tuple[Fault, ...] = ()
    acts: tuple[Act, ...] = ()

    def __post_init__(self) -> None:
        if self.version != SCENARIO_VERSION:
            raise ValueError(f"a scenario's version must be {SCENARIO_VERSION}, was {self.version}")


def read_scenario(path: Path) -> Scenario:
    """Read a scenario from YAML or JSON.

    Raises
    ------
    ValueError
        When the file has another version, an unknown key or a value out of its range; the text says which.

    """
    import yaml

    try:
        return msgspec.convert(yaml.safe_load(path.read_text()), Scenario)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise ValueError(f"{path.name} is no scenario: {error}") from error


class _Armed:
    def __init__(self, fault: Fault, rng: Random) -> None:
        self.fault = fault
        self.rng = rng
        self.seen = 0
        self.struck = 0

    def strikes(self, occurrence: Occurrence) -> bool:
        fault = self.fault
        if not _matches(fault, occurrence):
            return False
        self.seen += 1
        if self.seen < fault.nth or (fault.times and self.struck >= fault.times):
            return False
        if fault.chance < 1 and self.rng.random() >= fault.chance:
            return False
        self.struck += 1
        return True


def _matches(fault: Fault, occurrence: Occurrence) -> bool:
    return (
        fnmatchcase(occurrence.venue, fault.venue)
        and fnmatchcase(occurrence.where, fault.where)
        and (not fault.order_id or fault.order_id in occurrence.order_ids)
        and (not fault.client_id or fault.client_id in occurrence.client_ids)
        and (not fault.event or fault.event == occurrence.event)
    )


class FaultPlan:
    """The faults that are armed, and what of them strikes an occurrence.

    Parameters
    ----------
    seed
        Of the chances; each fault has a generator of its own, so that one does not move another.

    Examples
    --------
    >>> plan = FaultPlan()
    >>> _ = plan.add(Fault(kind=FaultKind.STATUS, where="POST /v2/orders", nth=2, status=504))
    >>> order = Occurrence(venue="alpaca", where="POST /v2/orders")
    >>> [len(plan.take(order, FaultKind.STATUS)) for _ in range(3)]
    [0, 1, 0]

    """

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed
        self._ids = count(1)
        self._armed: dict[int, _Armed] = {}

    def add(self, fault: Fault) -> int:
        """Arm a fault and return its id."""
        fault_id = next(self._ids)
        self._armed[fault_id] = _Armed(fault, Random(f"{self._seed}:{fault_id}"))
        return fault_id

    def remove(self, fault_id: int) -> bool:
        """Disarm a fault; False when there is none of this id."""
        return self._armed.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def take(self, occurrence: Occurrence, *kinds: FaultKind) -> list[Fault]:
        """Return the faults of these kinds that strike an occurrence, in the order they were armed.

        Asking counts: ask once for an occurrence and kind.
        """
        return [a.fault for a in list(self._armed.values()) if a.fault.kind in kinds and a.strikes(occurrence)]

    def first(self, occurrence: Occurrence, *kinds: FaultKind) -> Fault | None:
        """Return the first fault of these kinds that strikes an occurrence."""
        return next(iter(self.take(occurrence, *kinds)), None)

    def standing(self, where: str, kind: FaultKind, *, venue: str) -> Fault | None:
        """Return a fault that holds as long as it is armed (a lag, a skew), without counting."""
        occurrence = Occurrence(venue=venue, where=where)
        matching = (a.fault for a in self._armed.values() if a.fault.kind is kind and _matches(a.fault, occurrence))
        return next(matching, None)

    def state(self) -> list[dict[str, Any]]:
        """Return every armed fault with how often it was met and struck."""
        return [
            {"id": i, "seen": a.seen, "struck": a.struck, **msgspec.to_builtins(a.fault)}
            for i, a in self._armed.items()
        ]


def altered(body: Any, faults: list[Fault]) -> Any:
    """Return a body or frame with fields set and dropped as the faults say.

    Examples
    --------
    >>> altered({"order": {"status": "new"}}, [Fault(kind=FaultKind.SET_FIELD, path="order.status", value="odd")])
    {'order': {'status': 'odd'}}
    >>> altered({"a": 1, "b": 2}, [Fault(kind=FaultKind.DROP_FIELD, path="a")])
    {'b': 2}

    """
    for fault in faults:
        body = _with_field(body, fault.path.split("."), fault)
    return body


def _with_field(body: Any, path: list[str], fault: Fault) -> Any:
    name, rest = path[0], path[1:]
    if isinstance(body, list):
        # A list without an index means every element.
        if not name.isdigit():
            return [_with_field(item, path, fault) for item in body]
        return [_with_field(item, rest, fault) if i == int(name) and rest else item for i, item in enumerate(body)]
    if not isinstance(body, Mapping):
        return body
    result = dict(body)
    if rest:
        result[name] = _with_field(result.get(name, {}), rest, fault)
    elif fault.kind is FaultKind.DROP_FIELD:
        result.pop(name, None)
    else:
        result[name] = fault.value
    return result
