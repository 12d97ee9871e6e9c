"""What a person made of images, kept safe: label images, edits, journal, project folder."""
