"""Labelling: which answers people should look at, and what they said."""
