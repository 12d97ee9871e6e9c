"""Prompts, masks, SAM2, Sauvola, confidence and the router between them."""
