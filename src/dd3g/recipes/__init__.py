"""What is trained on what: one module a network, handed to the engine as a recipe."""
