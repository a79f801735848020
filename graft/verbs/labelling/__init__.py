"""What labels make of a comparison, and the page on which they are given."""
