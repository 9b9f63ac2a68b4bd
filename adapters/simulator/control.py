"""The hand on the venues: step time, inject faults, act from outside, read state and journal; in process and by HTTP.

Both ways know the same calls. Over HTTP every call carries the run's token in the header `X-Simulator-Token`, and only
this machine is answered.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

import httpx
import msgspec
from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request

from adapters.simulator.acts import Acts, state_of, ticks_of, told
from adapters.simulator.desk import Desk
from adapters.simulator.faults import Fault, Scenario
from adapters.simulator.journal import Entry
from adapters.simulator.market import Market
from adapters.simulator.tape import Tick

TOKEN_HEADER = "X-Simulator-Token"
_LOOPBACK = ("127.0.0.1", "::1", "testclient")
_DEADLINE_SECS = 30.0


class Control:
    """The calls of the control port, for the process that the venues run in.

    Every call runs on the servers' loop and returns when it is done: whatever it made happen is on its way to the
    clients. Safe from any thread but the loop's own.

    Parameters
    ----------
    market, desks, acts
        What is controlled.

    Examples
    --------
    A test fills an order and lets the answer to the next one get lost::

        venues.control.step(1.0, ticks=[Trade(0, "AAPL", Decimal("180.05"), Decimal(100))])
        venues.control.fault(kind="drop_answer", where="POST /v2/orders", secs=10.0)

    """

    def __init__(self, market: Market, desks: Mapping[str, Desk], acts: Acts) -> None:
        self.market = market
        self.desks = desks
        self.acts = acts
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have every call run on a loop, that of the servers."""
        self._loop = loop

    def step(self, secs: float = 0.0, *, ticks: Iterable[Tick | Mapping[str, Any]] = ()) -> int:
        """Move time forward, play the tape on the way, then show further ticks; return how many were played.

        Ticks may be given as mappings: one with a `price` is a trade, any other a quote.
        """
        given = [tick if isinstance(tick, msgspec.Struct) else ticks_of([tick])[0] for tick in ticks]
        return self._call(lambda: self.market.step(secs, ticks=given))

    def fault(self, fault: Fault | None = None, **fields: Any) -> int:
        """Arm a fault, given as one or by its fields, and return its id."""
        armed = fault if fault is not None else msgspec.convert(fields, Fault)
        return self._call(lambda: self.market.faults.add(armed))

    def clear(self, fault_id: int | None = None) -> None:
        """Disarm a fault, or all of them."""
        plan = self.market.faults
        self._call(lambda: plan.clear() if fault_id is None else plan.remove(fault_id))

    def load(self, scenario: Scenario) -> None:
        """Arm the faults of a scenario and plan its acts."""
        self._call(lambda: self.acts.load(scenario))

    def act(self, name: str, **arguments: Any) -> Any:
        """Do something to a venue, as `Acts` tells it."""
        return self._call(lambda: self.acts.do(name, arguments))

    def state(self) -> dict[str, Any]:
        """Return orders, fills, balances, holds, faults and times."""
        return self._call(lambda: state_of(self.market, self.desks))

    def journal(self, *, since: int = 0, kind: str = "*", venue: str = "*", name: str = "*") -> list[Entry]:
        """Return the entries of the journal after an id."""
        return self.market.journal.read(since=since, kind=kind, venue=venue, name=name)

    def wait_for(
        self, *, since: int = 0, kind: str = "*", venue: str = "*", name: str = "*", deadline_secs: float = 5.0
    ) -> list[Entry]:
        """Return the matching entries as soon as there is one; TimeoutError when there is none in time."""
        return self.market.journal.wait_for(since=since, kind=kind, venue=venue, name=name, deadline_secs=deadline_secs)

    def _call[T](self, action: Callable[[], T]) -> T:
        if self._loop is None:
            return action()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(action())
            except BaseException as error:  # noqa: BLE001  the caller's thread is told, the loop goes on
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result(_DEADLINE_SECS)


def router(control: Control, token: str) -> APIRouter:
    """Return the control port's routes: POST /step, /fault, /scenario, /act, DELETE /fault, GET /state, /journal.

    Parameters
    ----------
    control
        One that is not attached to a loop: the routes run on the servers' own.
    token
        What a caller must show.

    """

    def authorize(request: Request, shown: str = Header("", alias=TOKEN_HEADER)) -> None:
        host = request.client.host if request.client else ""
        if host not in _LOOPBACK or not secrets.compare_digest(shown, token):
            raise HTTPException(403, "the control port needs this run's token, from this machine")

    routes = APIRouter(dependencies=[Depends(authorize)])

    @routes.post("/step")
    async def step(request: Request) -> dict[str, Any]:
        body = await _json(request)
        return {"played": _tried(lambda: control.step(float(body.get("secs", 0)), ticks=body.get("ticks", ())))}

    @routes.post("/fault")
    async def fault(request: Request) -> dict[str, Any]:
        body = await _json(request)
        return {"id": _tried(lambda: control.fault(**body))}

    @routes.delete("/fault")
    async def clear(fault_id: int | None = Query(None, alias="id")) -> dict[str, Any]:
        control.clear(fault_id)
        return {}

    @routes.post("/scenario")
    async def scenario(request: Request) -> dict[str, Any]:
        body = await _json(request)
        _tried(lambda: control.load(msgspec.convert(body, Scenario)))
        return {}

    @routes.post("/act")
    async def act(request: Request) -> dict[str, Any]:
        body = await _json(request)
        name = str(body.pop("do", ""))
        return {"result": _tried(lambda: control.act(name, **body))}

    @routes.get("/state")
    async def state() -> dict[str, Any]:
        return control.state()

    @routes.get("/journal")
    async def journal(since: int = 0, kind: str = "*", venue: str = "*", name: str = "*") -> dict[str, Any]:
        entries = control.journal(since=since, kind=kind, venue=venue, name=name)
        return {"entries": [told(entry) for entry in entries]}

    return routes


async def _json(request: Request) -> dict[str, Any]:
    raw = await request.body()
    try:
        body = msgspec.json.decode(raw or b"{}")
    except msgspec.DecodeError as error:
        raise HTTPException(422, str(error)) from error
    if not isinstance(body, dict):
        raise HTTPException(422, "a JSON object must be sent")
    return body


def _tried[T](action: Callable[[], T]) -> T:
    from adapters.simulator.exchange import RefusalError

    try:
        return action()
    except (ValueError, TypeError, KeyError, RefusalError) as error:
        raise HTTPException(422, f"{type(error).__name__}: {error}") from error


class ControlClient:
    """The control port from another process.

    Parameters
    ----------
    url, token
        Of the run, as `nqs sim` prints them.

    """

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(base_url=url, headers={TOKEN_HEADER: token}, timeout=_DEADLINE_SECS, trust_env=False)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def step(self, secs: float = 0.0, *, ticks: Iterable[Mapping[str, Any]] = ()) -> int:
        """As `Control.step`."""
        return int(self._post("/step", {"secs": secs, "ticks": list(ticks)})["played"])

    def fault(self, **fields: Any) -> int:
        """As `Control.fault`."""
        return int(self._post("/fault", fields)["id"])

    def clear(self, fault_id: int | None = None) -> None:
        """As `Control.clear`."""
        self._http.delete("/fault", params={} if fault_id is None else {"id": fault_id}).raise_for_status()

    def act(self, name: str, **arguments: Any) -> Any:
        """As `Control.act`."""
        return self._post("/act", {"do": name, **arguments})["result"]

    def state(self) -> dict[str, Any]:
        """As `Control.state`."""
        return self._get("/state", {})

    def journal(self, *, since: int = 0, kind: str = "*", venue: str = "*", name: str = "*") -> list[dict[str, Any]]:
        """As `Control.journal`, each entry as a mapping."""
        entries = self._get("/journal", {"since": since, "kind": kind, "venue": venue, "name": name})["entries"]
        return list(entries)

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._http.post(path, json=body).raise_for_status().json())

    def _get(self, path: str, query: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._http.get(path, params=query).raise_for_status().json())
