"""Next purchase: how probably each customer orders within so many days, and when."""
