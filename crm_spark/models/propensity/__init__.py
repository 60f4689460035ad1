"""Propensity: who will buy of which department, and which product, in the days to come."""
