"""Objects of our own, made from a seed: toys, crockery, packages, furniture, fruit, tools."""
