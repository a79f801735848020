"""GRAFT: Grounded Retrieval And Fine-Tuning."""
