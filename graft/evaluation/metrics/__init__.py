"""Metrics: checks as numbers of one case, each with the card that says how to read it."""
