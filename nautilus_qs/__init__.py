"""nautilus_qs: rules, services and entry points of a NautilusTrader trading system."""

__version__ = "0.1.0"
