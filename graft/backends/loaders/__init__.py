"""Loaders: one file of a format → Documents. Nothing here is imported before a file of its kind is met."""
