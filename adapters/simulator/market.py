"""One market for all venues: the clock moves, the tape plays, the exchanges match, and listeners are told.

Everything here runs on one thread, the server's loop: nothing is locked.
"""

import heapq
from collections.abc import Callable, Iterable
from itertools import count

from adapters.simulator.clock import NS_PER_SEC, ClockMode, VenueClock
from adapters.simulator.exchange import Exchange
from adapters.simulator.faults import FaultPlan
from adapters.simulator.history import History
from adapters.simulator.journal import EntryKind, Journal
from adapters.simulator.tape import Tape, Tick

type TickListener = Callable[[Tick, int], None]


class Market:
    """What the servers share.

    Parameters
    ----------
    clock, tape
        Time, and what happens in it.
    journal, faults
        What went over the wire, and what is to go wrong there.

    Attributes
    ----------
    exchanges
        By the venue's name.
    history
        What the tape played so far.

    """

    def __init__(self, clock: VenueClock, tape: Tape, *, journal: Journal, faults: FaultPlan) -> None:
        self.clock = clock
        self.tape = tape
        self.journal = journal
        self.faults = faults
        self.history = History()
        self.exchanges: dict[str, Exchange] = {}
        self._listeners: list[TickListener] = []
        self._timers: list[Callable[[], None]] = []
        self._planned: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()

    def listen(self, listener: TickListener) -> None:
        """Have every tick told with its time on the wire, after the exchanges have seen it."""
        self._listeners.append(listener)

    def each_step(self, listener: Callable[[], None]) -> None:
        """Have the end of every movement of time told, for what hangs on it: bars that close, batches, heartbeats."""
        self._timers.append(listener)

    def plan(self, at_ns: int, action: Callable[[], None]) -> None:
        """Have something done at a venue time, in order with the ticks."""
        heapq.heappush(self._planned, (at_ns, next(self._order), action))

    def step(self, secs: float = 0.0, *, ticks: Iterable[Tick] = ()) -> int:
        """Move stepped time forward and play what happens on the way; then show further ticks, as of now.

        Parameters
        ----------
        secs
            Venue seconds.
        ticks
            Quotes and trades that are not on the tape; their own times are ignored.

        Returns
        -------
        int
            Ticks that were played.

        """
        target = self.clock.now_ns() + round(secs * NS_PER_SEC)
        played = self._play(target)
        self.clock.advance_to(target)
        for tick in ticks:
            self.show(tick)
            played += 1
        self._end_step()
        self.journal.add(EntryKind.STEP, "*", "step", ts_ns=self.clock.wire_now_ns(), secs=secs, ticks=played)
        return played

    def catch_up(self) -> int:
        """Play the tape up to running time."""
        if self.clock.mode is ClockMode.STEPPED:
            return 0
        played = self._play(self.clock.now_ns())
        self._end_step()
        return played

    def show(self, tick: Tick) -> None:
        """Show a tick that happens now, whatever time it carries."""
        import msgspec

        self._tell(msgspec.structs.replace(tick, ts_ns=self.clock.stamp_ns()))

    def _play(self, until_ns: int) -> int:
        played = 0
        while True:
            tick_ns = self.tape.next_ns
            act_ns = self._planned[0][0] if self._planned else None
            if act_ns is not None and act_ns <= until_ns and (tick_ns is None or act_ns <= tick_ns):
                self.clock.advance_to(act_ns)
                heapq.heappop(self._planned)[2]()
                continue
            if tick_ns is None or tick_ns > until_ns:
                break
            for tick in self.tape.due(tick_ns):
                self.clock.advance_to(tick.ts_ns)
                self._tell(tick)
                played += 1
        for exchange in self.exchanges.values():
            exchange.advance(until_ns)
        return played

    def _tell(self, tick: Tick) -> None:
        wire_ns = self.clock.wire_ns(tick.ts_ns)
        self.history.add(tick, wire_ns)
        for exchange in self.exchanges.values():
            exchange.on_tick(tick)
        for listener in self._listeners:
            listener(tick, wire_ns)

    def _end_step(self) -> None:
        for listener in self._timers:
            listener()
