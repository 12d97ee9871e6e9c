"""Corrections of label images by hand: pure functions on windows, free of viewers and files."""
