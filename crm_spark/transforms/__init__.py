"""Pure functions from DataFrame to DataFrame: no IO, no clock, no configuration."""
