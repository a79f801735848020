"""Embedders and rerankers: texts → unit vectors or scores."""
