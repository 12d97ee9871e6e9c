"""SAM2's image encoder and mask decoder as inference runs them: same weights, fewer operations."""
