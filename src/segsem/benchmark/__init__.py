"""How quick the model is, always as ratios measured in one run."""
