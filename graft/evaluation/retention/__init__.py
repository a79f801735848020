"""Retention: small fixed tasks that tell what a tuned model has forgotten."""
