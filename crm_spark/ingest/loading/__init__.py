"""Loading: the rows of a delivery into core, and those that cannot be used beside it."""
