"""The recommendation: which variants may win, which one does, and why."""
