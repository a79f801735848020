"""Evaluation: any Answerer × questions → a Run, and pure metrics over its rows."""
