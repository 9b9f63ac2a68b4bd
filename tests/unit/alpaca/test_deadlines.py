"""A call that ends in the very moment of its deadline ends as what it was."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from adapters.transport import lanes
from adapters.transport.counters import Counters
from adapters.transport.errors import NotSentError, RefusedError
from adapters.transport.lanes import Lanes


async def just_too_late(waited: Awaitable[Any], timeout: float) -> Any:
    """Wait, and time out all the same: what a busy loop may do."""
    await asyncio.wait([asyncio.ensure_future(waited)])
    raise TimeoutError


def test_answer_at_the_deadline_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise RefusedError(422, "1", "no")

    async def main() -> None:
        pool = Lanes("test", Counters())
        monkeypatch.setattr(lanes.asyncio, "wait_for", just_too_late)
        assert await pool.call(lanes.ORDERS, lambda: "answer", deadline_secs=1.0) == "answer"
        with pytest.raises(RefusedError):
            await pool.call(lanes.ORDERS, refused, deadline_secs=1.0)
        pool.close()
        with pytest.raises(NotSentError, match="closed"):
            await pool.call(lanes.ORDERS, refused, deadline_secs=1.0)

    asyncio.run(main())
