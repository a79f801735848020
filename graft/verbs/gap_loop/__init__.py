"""One turn of the gap loop: the file of proposals, training on it, and how the result is measured."""
