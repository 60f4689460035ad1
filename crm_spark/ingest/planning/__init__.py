"""Planning: what is there of a source, what was loaded of it, and what is to be loaded."""
