"""Synthetic SEM images whose truth is known in closed form."""
