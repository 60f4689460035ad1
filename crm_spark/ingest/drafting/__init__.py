"""Drafting: a configuration from files, as a careful engineer would write it by hand."""
