"""Where market data comes from: one small interface, a module a source."""
