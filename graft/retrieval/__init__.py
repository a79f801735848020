"""Retrieval: documents → chunks → index → search → context. Knows nothing of tuning or of models that answer."""
