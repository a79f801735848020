"""What graft build does besides indexing and training: it measures what an adapter forgot."""
