"""One process that holds the model and the embeddings, and the client that talks to it."""
