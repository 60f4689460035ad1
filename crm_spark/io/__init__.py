"""The only place that reads sources and reads or writes Delta."""
