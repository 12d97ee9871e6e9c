"""Few-shot training set: its members, what is in them, and what is missing."""
