"""Generators: prompts → answers, from a local model, an endpoint, or the passages themselves."""
