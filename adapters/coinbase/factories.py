"""What a node builds the clients with; clients of one key share connections, budget and products."""

import asyncio
from functools import lru_cache

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.live.factories import LiveDataClientFactory, LiveExecClientFactory

from adapters.coinbase.config import CoinbaseDataClientConfig, CoinbaseExecClientConfig
from adapters.coinbase.constants import REQUESTS_PER_SEC
from adapters.coinbase.credentials import Credentials, credentials_from
from adapters.coinbase.data import CoinbaseDataClient
from adapters.coinbase.execution import CoinbaseExecutionClient
from adapters.coinbase.http import CoinbaseHttp, Veto
from adapters.coinbase.providers import CoinbaseInstrumentProvider
from adapters.transport.budget import RateBudget
from adapters.transport.counters import Counters

COUNTERS = Counters()
"""Counts of every client that these factories build."""


@lru_cache(8)
def shared_budget(key_env: str, rest_host: str) -> RateBudget:
    """Return the budget of a key: the venue counts its requests, whichever client makes them."""
    return RateBudget(per_second=REQUESTS_PER_SEC, burst=int(REQUESTS_PER_SEC), reserved_frac=0.5)


def http_client(
    config: CoinbaseDataClientConfig | CoinbaseExecClientConfig,
    credentials: Credentials | None,
    *,
    counters: Counters,
    deadline_secs: float = 8.0,
) -> CoinbaseHttp:
    """Return a REST interface on the shared budget."""
    return CoinbaseHttp(
        credentials,
        endpoints=config.endpoints,
        counters=counters,
        budget=shared_budget(config.key_env, config.endpoints.rest_host),
        deadline_secs=deadline_secs,
    )


def instrument_provider(
    http: CoinbaseHttp,
    config: CoinbaseDataClientConfig | CoinbaseExecClientConfig,
    *,
    counters: Counters,
) -> CoinbaseInstrumentProvider:
    """Return a provider of the products."""
    maker, taker = getattr(config, "maker_fee", None), getattr(config, "taker_fee", None)
    return CoinbaseInstrumentProvider(
        http,
        counters=counters,
        cache_path=config.products_cache,
        deadline_secs=config.products_deadline_secs,
        fee_rates=(maker, taker) if maker is not None and taker is not None else None,
        config=config.instrument_provider or InstrumentProviderConfig(load_all=True),
    )


class CoinbaseLiveDataClientFactory(LiveDataClientFactory):
    """Builds the data client."""

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: CoinbaseDataClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> CoinbaseDataClient:
        """Return a data client; it needs no key."""
        credentials = credentials_from(config.key_env, config.secret_env)
        http = http_client(config, credentials, counters=COUNTERS)
        return CoinbaseDataClient(
            loop,
            http,
            credentials,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            instrument_provider=instrument_provider(http, config, counters=COUNTERS),
            counters=COUNTERS,
            config=config,
            name=name,
        )


class CoinbaseLiveExecClientFactory(LiveExecClientFactory):
    """Builds the execution client; set `veto` to have every write asked for first."""

    veto: Veto | None = None

    @classmethod
    def create(
        cls,
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: CoinbaseExecClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> CoinbaseExecutionClient:
        """Return an execution client.

        Raises
        ------
        ValueError
            There is no key in the environment.
        """
        credentials = credentials_from(config.key_env, config.secret_env)
        if credentials is None:
            raise ValueError(f"an execution client needs a key: set {config.key_env} and {config.secret_env}")
        http = http_client(config, credentials, counters=COUNTERS, deadline_secs=config.deadline_secs)
        http.veto = cls.veto
        return CoinbaseExecutionClient(
            loop,
            http,
            credentials,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            instrument_provider=instrument_provider(http, config, counters=COUNTERS),
            counters=COUNTERS,
            config=config,
            name=name,
        )
