"""How good a model is: protocols on held-out and real images, and tables of what they gave."""
