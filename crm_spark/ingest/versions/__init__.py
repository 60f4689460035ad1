"""Versions: what delivered rows add to a table, close and displace."""
