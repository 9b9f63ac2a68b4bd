"""Clients from their configs; what one account shares, its clients share: requests, budgets, instruments, counters."""

import asyncio
from dataclasses import dataclass
from typing import Any

from nautilus_trader.common.config import resolve_path
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.live.factories import LiveDataClientFactory, LiveExecClientFactory
from nautilus_trader.model.identifiers import ClientId

from adapters.alpaca.config import AlpacaDataClientConfig, AlpacaExecClientConfig, AlpacaVenueConfig, Credentials
from adapters.alpaca.data import AlpacaDataClient
from adapters.alpaca.execution import AlpacaExecutionClient
from adapters.alpaca.http import AlpacaHttp
from adapters.alpaca.providers import AlpacaInstrumentProvider
from adapters.transport.budget import RateBudget
from adapters.transport.counters import Counters
from adapters.transport.lanes import Lanes


@dataclass
class Shared:
    """What the clients of one account have in common."""

    loop: asyncio.AbstractEventLoop
    credentials: Credentials
    counters: Counters
    http: AlpacaHttp
    provider: AlpacaInstrumentProvider


_SHARED: dict[str, Shared] = {}


def shared_parts(
    loop: asyncio.AbstractEventLoop, config: AlpacaVenueConfig, provider: InstrumentProviderConfig
) -> Shared:
    """Return the parts that clients of this account share; made once for each loop and configuration.

    Raises
    ------
    ValueError
        If the environment holds no key.
    """
    name = f"{config.id}-{hash(provider)}"
    known = _SHARED.get(name)
    if known is not None and known.loop is loop and not known.http.is_closed:
        return known
    credentials = Credentials.from_environment(config.key_variable, config.secret_variable)
    counters = Counters()
    http = AlpacaHttp(
        credentials,
        rest_url=config.rest(),
        data_url=config.data(),
        lanes=Lanes("alpaca", counters),
        counters=counters,
        budget=_budget(config.requests_a_minute, reserved_frac=0.5),
        data_budget=_budget(config.data_requests_a_minute, reserved_frac=0.0),
        veto=resolve_path(config.veto_path) if config.veto_path else None,
        deadline_secs=config.deadline_secs,
    )
    instruments = AlpacaInstrumentProvider(
        http, provider, fractional=config.fractional, crypto=config.crypto, counters=counters
    )
    shared = _SHARED[name] = Shared(loop, credentials, counters, http, instruments)
    return shared


def _budget(a_minute: int, *, reserved_frac: float) -> RateBudget:
    return RateBudget(per_second=a_minute / 60, burst=a_minute, reserved_frac=reserved_frac)


class AlpacaLiveExecClientFactory(LiveExecClientFactory):
    """Makes execution clients for a trading node."""

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: AlpacaExecClientConfig,
        msgbus: Any,
        cache: Any,
        clock: Any,
    ) -> AlpacaExecutionClient:
        """Return a client; the environment must hold the key."""
        shared = shared_parts(loop, config.venue, config.instrument_provider)
        return AlpacaExecutionClient(
            loop,
            client_id=ClientId(name),
            credentials=shared.credentials,
            config=config,
            http=shared.http,
            provider=shared.provider,
            counters=shared.counters,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
        )


class AlpacaLiveDataClientFactory(LiveDataClientFactory):
    """Makes data clients for a trading node."""

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: AlpacaDataClientConfig,
        msgbus: Any,
        cache: Any,
        clock: Any,
    ) -> AlpacaDataClient:
        """Return a client; the environment must hold the key."""
        shared = shared_parts(loop, config.venue, config.instrument_provider)
        return AlpacaDataClient(
            loop,
            client_id=ClientId(name),
            credentials=shared.credentials,
            config=config,
            http=shared.http,
            provider=shared.provider,
            counters=shared.counters,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
        )
