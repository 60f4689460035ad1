"""What is computed of customers, orders and products from core, as of a date."""
