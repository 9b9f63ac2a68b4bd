"""The simulated venues, up and running: in this process for tests, or for ``nqs sim``.

Examples
--------
A test runs both venues with stepped time, on free ports of loopback, in a thread of their own::

    with SimulatedVenues(seed=1) as venues:
        client = TradingClient("SIMKEY", "SIMSECRET", url_override=venues.alpaca.rest_url)
        stream = TradingStream("SIMKEY", "SIMSECRET", url_override=venues.alpaca.trade_stream_url)
        data = StockDataStream("SIMKEY", "SIMSECRET", url_override=venues.alpaca.data_stream_url("iex"))
        venues.control.step(0, ticks=[{"symbol": "AAPL", "bid": "180.00", "ask": "180.02"}])
        venues.control.step(0, ticks=[{"symbol": "AAPL", "price": "180.01", "size": "100"}])
        venues.control.fault(kind="drop_answer", where="POST /v2/orders", secs=10)
        venues.control.act("place", venue="alpaca", client_id="web", symbol="AAPL", side="buy", type="market",
                           time_in_force="day", qty="1")
        assert venues.control.wait_for(kind="sent", name="trade_updates")
        assert venues.control.state()["venues"]["alpaca"]["orders"][0]["status"] == "filled"

Venue time starts at 10:00 in New York on a trading day (2026-03-03), and is told on the wire as the wall's time.
The control calls block for as long as the call takes, milliseconds; an async test may call them directly.

"""

import asyncio
import secrets
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from fastapi import FastAPI

from adapters.simulator.acts import Acts
from adapters.simulator.alpaca_server import AlpacaServer
from adapters.simulator.alpaca_venue import AlpacaSettings
from adapters.simulator.clock import ClockMode, VenueClock
from adapters.simulator.coinbase_server import CoinbaseServer
from adapters.simulator.coinbase_venue import CoinbaseSettings
from adapters.simulator.control import Control, router
from adapters.simulator.desk import Desk
from adapters.simulator.faults import FaultPlan, Scenario
from adapters.simulator.journal import Journal
from adapters.simulator.lines import Lines
from adapters.simulator.market import Market
from adapters.simulator.protocols import LOOPBACK, LoopbackServers
from adapters.simulator.tape import Tape, Tick

START_NS = 1_772_550_000_000_000_000
"""2026-03-03 10:00 in New York, half an hour into a Tuesday's session."""


class AlpacaUrls:
    """Where the simulated Alpaca is.

    Parameters
    ----------
    port
        Of REST and sockets.
    server
        The server itself, for what only the same process can do.

    """

    def __init__(self, port: int, server: AlpacaServer) -> None:
        self.port = port
        self.server = server
        settings = server.venue.settings
        self.key_id, self.secret_key = settings.key_id, settings.secret_key

    @property
    def rest_url(self) -> str:
        """Return the base of trading and data REST, without a slash at its end and without a version."""
        return f"http://{LOOPBACK}:{self.port}"

    data_url = rest_url

    @property
    def trade_stream_url(self) -> str:
        """Return the socket of trade updates."""
        return f"ws://{LOOPBACK}:{self.port}/stream"

    def data_stream_url(self, feed: str = "iex") -> str:
        """Return the socket of a data feed: iex, sip, delayed_sip, test, crypto or news."""
        path = {"crypto": "v1beta3/crypto/us", "news": "v1beta1/news"}.get(feed, f"v2/{feed}")
        return f"ws://{LOOPBACK}:{self.port}/{path}"


class CoinbaseUrls:
    """Where the simulated Coinbase is.

    Parameters
    ----------
    port
        Of REST and sockets.
    server
        The server itself; `server.venue.issued` is the key that was made for the run.

    """

    def __init__(self, port: int, server: CoinbaseServer) -> None:
        self.port = port
        self.server = server
        issued = server.venue.issued
        self.key_name, self.key_secret = (issued.name, issued.secret) if issued is not None else ("", "")

    @property
    def base_url(self) -> str:
        """Return host and port, as the SDK's REST client wants them; the scheme is http here."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def rest_url(self) -> str:
        """Return the base of REST, without the path `/api/v3/brokerage`."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def market_stream_url(self) -> str:
        """Return the socket of market data."""
        return f"ws://{LOOPBACK}:{self.port}/"

    @property
    def user_stream_url(self) -> str:
        """Return the socket of the account."""
        return f"ws://{LOOPBACK}:{self.port}/user"


class SimulatedVenues:
    """Both venues, one market, one control port; a context manager.

    Parameters
    ----------
    ticks
        The tape: in order of time, may be endless; ticks before `start_ns` are played at once.
    start_ns
        Venue time at the start.
    mode, speed, time_scale, wire_start_ns
        Of the clock; see `VenueClock`. Stepped time moves by `control.step` only.
    seed
        Of ids, partial fills and chances: the same seed and the same calls give the same run.
    venues
        Which to start.
    alpaca, coinbase
        How they are set up.
    scenario
        Faults and acts from the start on.
    ports
        Fixed ports by name (`alpaca`, `coinbase`, `control`); any free one otherwise.
    token
        Of the control port; a random one otherwise.

    Attributes
    ----------
    control
        The hand on the venues, from this process.
    control_url, token
        The same by HTTP, for `ControlClient`.

    """

    def __init__(
        self,
        ticks: Iterable[Tick] = (),
        *,
        start_ns: int = START_NS,
        mode: ClockMode = ClockMode.STEPPED,
        speed: float = 1.0,
        time_scale: float = 1.0,
        wire_start_ns: int | None = None,
        seed: int = 0,
        venues: Iterable[str] = ("alpaca", "coinbase"),
        alpaca: AlpacaSettings | None = None,
        coinbase: CoinbaseSettings | None = None,
        scenario: Scenario | None = None,
        ports: dict[str, int] | None = None,
        token: str = "",
    ) -> None:
        clock = VenueClock(start_ns, mode=mode, speed=speed, time_scale=time_scale, wire_start_ns=wire_start_ns)
        plan = FaultPlan(seed=scenario.seed if scenario is not None else seed)
        self.market = Market(clock, Tape(ticks), journal=Journal(), faults=plan)
        self.lines = Lines()
        self.token = token or secrets.token_urlsafe(16)
        self._ports = ports or {}
        self._desks: dict[str, Desk] = {}
        acts = Acts(self.market, self._desks, self.lines)
        self.control = Control(self.market, self._desks, acts)
        self._servers = LoopbackServers(on_start=self._on_start, each_turn=self.market.catch_up)
        self._alpaca: AlpacaUrls | None = None
        self._coinbase: CoinbaseUrls | None = None
        wanted = set(venues)
        if unknown := wanted - {"alpaca", "coinbase"}:
            raise ValueError(f"venues must be of alpaca and coinbase, was {', '.join(sorted(unknown))}")
        if "alpaca" in wanted:
            self._add_alpaca(alpaca, acts, seed)
        if "coinbase" in wanted:
            self._add_coinbase(coinbase, acts, seed)
        control_app = FastAPI(openapi_url=None)
        control_app.include_router(router(Control(self.market, self._desks, acts), self.token))
        self.control_url = f"http://{LOOPBACK}:{self._servers.add(control_app, port=self._ports.get('control', 0))}"
        if scenario is not None:
            acts.load(scenario)

    @property
    def alpaca(self) -> AlpacaUrls:
        """Return where Alpaca is."""
        if self._alpaca is None:
            raise ValueError("alpaca was not started; name it in venues")
        return self._alpaca

    @property
    def coinbase(self) -> CoinbaseUrls:
        """Return where Coinbase is."""
        if self._coinbase is None:
            raise ValueError("coinbase was not started; name it in venues")
        return self._coinbase

    def start(self) -> Self:
        """Start serving; return when every port answers."""
        self._servers.start()
        return self

    def stop(self) -> None:
        """Stop serving and end the thread."""
        self._servers.stop()

    def urls(self) -> dict[str, str]:
        """Return every address by name, for people and programs."""
        rows: dict[str, str] = {}
        if self._alpaca is not None:
            rows["alpaca REST"] = self._alpaca.rest_url
            rows["alpaca trade updates"] = self._alpaca.trade_stream_url
            rows["alpaca data"] = self._alpaca.data_stream_url("iex")
            rows["alpaca crypto"] = self._alpaca.data_stream_url("crypto")
            rows["alpaca news"] = self._alpaca.data_stream_url("news")
        if self._coinbase is not None:
            rows["coinbase REST"] = self._coinbase.rest_url
            rows["coinbase market"] = self._coinbase.market_stream_url
            rows["coinbase user"] = self._coinbase.user_stream_url
        return rows | {"control": self.control_url}

    def __enter__(self) -> Self:
        """Start serving."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop serving."""
        self.stop()

    def _on_start(self, loop: asyncio.AbstractEventLoop) -> None:
        self.control.attach(loop)
        # What the tape holds of before the start is history by the time that the first client comes.
        self.market.step(0.0) if self.market.clock.mode is ClockMode.STEPPED else self.market.catch_up()

    def _add_alpaca(self, settings: AlpacaSettings | None, acts: Acts, seed: int) -> None:
        server = AlpacaServer(self.market, self.lines, settings, seed=seed)
        server.teach(acts)
        self._desks["alpaca"] = server.venue.desk
        self._alpaca = AlpacaUrls(self._servers.add(server.app, port=self._ports.get("alpaca", 0)), server)

    def _add_coinbase(self, settings: CoinbaseSettings | None, acts: Acts, seed: int) -> None:
        server = CoinbaseServer(self.market, self.lines, settings, seed=seed)
        server.teach(acts)
        self._desks["coinbase"] = server.venue.desk
        self._coinbase = CoinbaseUrls(self._servers.add(server.app, port=self._ports.get("coinbase", 0)), server)
