"""Segments: customers that are alike, found by k-means, named by what sets them apart."""
