"""Which contract customers leave, learnt from a table that says who has left."""
