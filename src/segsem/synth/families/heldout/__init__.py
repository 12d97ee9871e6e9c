"""Families of patterns that nothing is ever trained on: held-out sets are drawn from them."""
