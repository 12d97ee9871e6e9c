"""Model registry, building and loading; the bundled weights."""
