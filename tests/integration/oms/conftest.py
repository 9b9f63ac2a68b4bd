"""Fixtures: a Redis for the session, and sites where one node lives after another."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration.oms.job import Books, Job, Leg, Report, log_lines
from tests.integration.oms.node import run
from tests.integration.oms.venue import Venue
from tests.integration.services import Redis, UnavailableError, redis_server, wait_until

REPORT_SECS = 60.0
END_SECS = 30.0
_numbers = count(1)


class Life(msgspec.Struct, frozen=True):
    """One life of the node: the books after its start and after each step, and what its log complains of."""

    books: tuple[Books, ...]
    errors: list[str]
    warnings: list[str]

    @property
    def start(self) -> Books:
        """The books once started and reconciled."""
        return self.books[0]

    @property
    def end(self) -> Books:
        """The books after the last step."""
        return self.books[-1]


class Site:
    """One venue, one cache, and the nodes that live there one after the other."""

    def __init__(self, redis: Redis, folder: Path, *, kind: str, legs: tuple[Leg, ...]) -> None:
        self._redis = redis
        self._folder = folder
        self._kind = kind
        self._legs = legs
        # No other test, run or program shares these keys.
        self._trader_id = f"OMS-{os.getpid()}T{next(_numbers)}"
        self._lives = 0
        # One process imports the engine; each life is a fork of it.
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.integration.oms.node"])

    @property
    def venue(self) -> Venue:
        """The venue, to trade on while no node runs."""
        return Venue(self._folder / "venue.json")

    def live(
        self,
        *steps: str,
        is_killed: bool = False,
        claims: str = "",
        is_seeded: bool = False,
        **venue: Any,
    ) -> Life:
        """Let a node start, do its steps, and stop cleanly or be killed (SIGKILL) where it stands."""
        self._lives += 1
        job = Job(
            trader_id=self._trader_id,
            redis_host=self._redis.host,
            redis_port=self._redis.port,
            folder=str(self._folder),
            name=f"life-{self._lives}",
            kind=self._kind,
            legs=self._legs,
            steps=steps,
            is_ending=not is_killed,
            claims=claims,
            is_seeded=is_seeded,
            venue=venue,
        )
        process = self._processes.Process(target=run, args=(job,), name=job.name)
        process.start()
        try:
            self._await(job, process)
        finally:
            if process.is_alive():
                process.kill()
            process.join()
        report = msgspec.json.decode(job.report_path.read_bytes(), type=Report)
        assert report.is_complete, f"{report.books[-1]}\n{job.log_path.read_text()}"
        return Life(report.books, log_lines(job, "ERROR"), log_lines(job, "WARN"))

    def _await(self, job: Job, process: Any) -> None:
        has_ended = lambda: job.report_path.exists() or not process.is_alive()  # noqa: E731
        wait_until(has_ended, f"the report of {job.name}", secs=REPORT_SECS)
        if not job.report_path.exists():
            raise AssertionError(f"{job.name} ended without a report: {job.log_path.read_text()}")
        if job.is_ending:
            wait_until(lambda: not process.is_alive(), f"the end of {job.name}", secs=END_SECS)
            assert process.exitcode == 0, job.log_path.read_text()
        else:
            wait_until(lambda: self._redis.has(self._key(f"general:{job.mark}")), "the cache's last write", secs=5.0)

    def lose_cache(self) -> None:
        """Lose everything that the node has written to Redis."""
        assert self._redis.forget(self._key("")) > 0

    def clear(self) -> None:
        """Leave nothing behind in a Redis that others may use."""
        self._redis.forget(self._key(""))

    def _key(self, name: str) -> str:
        return f"trader-{self._trader_id}:{name}"


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """A Redis to write to, or skip and say so."""
    try:
        with redis_server() as found:
            yield found
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def site(redis: Redis, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Make a site: ``site(kind, *legs)``."""
    made: list[Site] = []

    def make(kind: str, *legs: Leg) -> Site:
        folder = tmp_path / f"site-{len(made) + 1}"
        folder.mkdir()
        made.append(Site(redis, folder, kind=kind, legs=legs))
        return made[-1]

    yield make
    for each in made:
        each.clear()
