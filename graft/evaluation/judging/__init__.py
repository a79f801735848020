"""Judging: verdicts of a model, asked for several times, with metrics of their own."""
