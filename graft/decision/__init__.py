"""Decision: Runs → Comparison → Recommendation → report. Arrays and rows in; no models."""
