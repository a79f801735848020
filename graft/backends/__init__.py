"""Everything that touches a model, a database client or an API. Imported lazily, by name only (graft.plugins)."""
