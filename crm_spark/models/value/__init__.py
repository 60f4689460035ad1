"""What each customer is worth: orders and spend to expect, beside the rules they have to beat."""
