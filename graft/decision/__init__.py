"""Decision: metric values → Comparison → Recommendation, with what it costs. Numbers in; no models, no rows of text."""
