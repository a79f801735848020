"""What `graft optimize` searches on, and how its winner is judged."""
