"""Generation: (question, context) → prompt → generator → grounded Answer; a Variant is their composition."""
