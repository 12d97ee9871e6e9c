"""Panels of the plugin and what they are put together from."""
