"""Tuning: examples → checked dataset → train → adapter. Knows nothing of retrieval: passages arrive as plain data."""
