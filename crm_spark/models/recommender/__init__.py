"""Recommendations: which products to offer each customer, rung by rung of a ladder."""
