"""What SEM vendors write about the scale of an image, one module a vendor."""
