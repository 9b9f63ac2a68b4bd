"""Composition: a configuration becomes a running node, in a backtest or live."""
