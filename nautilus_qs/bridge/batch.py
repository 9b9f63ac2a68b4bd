"""Proposals that are decided together: those of one bar time.

A batch closes when every expected instrument has reported, or at its deadline. In a backtest nobody is expected and the
deadline is one nanosecond after the bars; a live node expects its instruments and waits some seconds for the slow ones.
A late bar makes no second batch: its proposal is refused, so that the order in which bars arrive never changes a
decision that was already taken.
"""

from collections.abc import Iterable

from nautilus_qs.domain import Proposal


class Batches:
    """Groups proposals by bar time.

    Parameters
    ----------
    expected
        Instrument ids whose bars a batch waits for; none means that only the deadline closes it.
    wait_ns
        Time from the first report of a batch to its deadline.
    settle_ns
        Time from the last report to the decision: those who hear of a bar later than others propose in it.
    """

    def __init__(self, expected: Iterable[str] = (), wait_ns: int = 1, settle_ns: int = 1) -> None:
        if wait_ns < 1 or settle_ns < 1:
            raise ValueError(f"wait_ns and settle_ns must be >= 1, were {wait_ns} and {settle_ns}")
        self._settle_ns = settle_ns
        self._expected = frozenset(expected)
        self._wait_ns = wait_ns
        self.reset()

    def reset(self) -> None:
        """Forget every batch."""
        self._open: dict[int, list[Proposal]] = {}
        self._reported: dict[int, set[str]] = {}
        self._closed_until = -1

    def deadline(self, ts_batch: int, now_ns: int) -> int:
        """Return when a batch that opens now must close: at once where no bar of its time is missing."""
        return now_ns + (self._settle_ns if self._is_complete(ts_batch) else self._wait_ns)

    def add(self, proposal: Proposal) -> bool | None:
        """Take a proposal in.

        Returns
        -------
        bool or None
            True when it opened a batch (whose deadline must now be set), False when it joined one, None when its batch
            has already been decided.
        """
        ts = proposal.ts_batch
        if ts <= self._closed_until:
            return None
        batch = self._open.setdefault(ts, [])
        batch.append(proposal)
        return len(batch) == 1

    def settled_at(self, now_ns: int) -> int:
        """Return when a batch that is complete now is decided."""
        return now_ns + self._settle_ns

    def report(self, ts_batch: int, instrument_id: str) -> bool:
        """Note that an instrument's bar arrived; return whether its batch is now complete."""
        if not self._expected or ts_batch <= self._closed_until:
            return False
        reported = self._reported.setdefault(ts_batch, set())
        reported.add(instrument_id)
        return ts_batch in self._open and self._is_complete(ts_batch)

    def close(self, ts_batch: int) -> list[Proposal]:
        """Return the proposals of a batch and close it, and every earlier one, for good."""
        self._closed_until = max(self._closed_until, ts_batch)
        for ts in [ts for ts in self._reported if ts <= ts_batch]:
            del self._reported[ts]
        return self._open.pop(ts_batch, [])

    def _is_complete(self, ts_batch: int) -> bool:
        return bool(self._expected) and self._reported.get(ts_batch, set()) >= self._expected

    @property
    def waiting(self) -> tuple[int, ...]:
        """The bar times of open batches, oldest first."""
        return tuple(sorted(self._open))
