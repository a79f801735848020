"""Advice before anything is measured: a questionnaire, what is published, a plan."""
