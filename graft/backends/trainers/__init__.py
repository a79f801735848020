"""Trainers: rows → adapters, embedders and rerankers."""
