"""Learners of a yes or no about customers, which models of such labels share."""
