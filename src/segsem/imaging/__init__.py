"""SEM images: reading, vendor metadata, data bar, normalisation, quality."""
