"""Costs: what an answer, a training and a year cost, and from where one variant pays for itself."""
