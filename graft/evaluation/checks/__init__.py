"""Checks of one text or one ranking: pure functions, offline, that know neither rows nor runs."""
