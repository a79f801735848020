"""Question sets: read from files in the formats of the field, checked, or made from the documents."""
