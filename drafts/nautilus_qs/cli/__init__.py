"""The command line ``nqs``: parse, call, print. Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 configuration."""

from nautilus_qs.cli.app import main

__all__ = ["main"]
