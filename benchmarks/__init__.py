"""Ours beside what users would pick instead, on the same input, in turn: scripts/benchmark."""
