"""Stores: chunks with their vectors and words on disk, searched in memory or there."""
