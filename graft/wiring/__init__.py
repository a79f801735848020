"""From the settings to the parts: retrieval, models, gold evidence, and the variants composed of them."""
