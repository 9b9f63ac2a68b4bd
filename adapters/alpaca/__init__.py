"""Alpaca for NautilusTrader: US equities (whole or fractional) and crypto, trading, market data and news.

Knows NautilusTrader, alpaca-py's REST clients and the transport; nothing of this project's strategies or library.
"""
