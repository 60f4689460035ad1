"""Mapping: the source's columns to ours, cleaned and in one currency."""
