"""Reading: the files, tables and queries of a source, and their rows as they have them."""
