"""A reranker of GRAFT's own from permissively licensed pairs: rows, training, evaluation. See docs/optimize.md."""
