"""Strategies: thin shells that turn bars into proposals and verdicts into orders."""
