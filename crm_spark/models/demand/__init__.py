"""Demand: how much of each product, department and in all will be sold in the periods to come."""
