"""Actors: regime, risk desk, gate, equity and recorder, each a thin shell around pure code."""
