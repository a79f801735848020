"""Statistical inference: arrays in, numbers out; nothing here knows what was measured."""
