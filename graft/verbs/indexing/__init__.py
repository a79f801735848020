"""Filling a version of the index with documents, and measuring what versions find."""
