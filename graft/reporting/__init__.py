"""Reporting: Comparison and Recommendation → terminal table, Markdown, and one HTML file. Decides nothing."""
