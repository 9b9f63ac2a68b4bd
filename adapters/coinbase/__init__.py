"""Coinbase Advanced Trade (spot) for a NautilusTrader node: instruments, market data, orders."""

from adapters.coinbase.config import CoinbaseDataClientConfig, CoinbaseExecClientConfig
from adapters.coinbase.constants import COINBASE, COINBASE_VENUE
from adapters.coinbase.factories import CoinbaseLiveDataClientFactory, CoinbaseLiveExecClientFactory

__all__ = [
    "COINBASE",
    "COINBASE_VENUE",
    "CoinbaseDataClientConfig",
    "CoinbaseExecClientConfig",
    "CoinbaseLiveDataClientFactory",
    "CoinbaseLiveExecClientFactory",
]
