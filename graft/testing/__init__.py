"""Conformance suites that a third party's backend inherits, and small public fakes."""
