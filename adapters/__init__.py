"""Venue adapters: they know NautilusTrader and their venue, and nothing of this project."""
