"""What a person decides about regions, and whether an image and a lot may be signed."""
