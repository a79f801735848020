"""What `graft export` writes beside a model: how it is asked and served elsewhere."""
