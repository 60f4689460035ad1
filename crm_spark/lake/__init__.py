"""The lake: table contracts, Delta reads and writes, the state of what is done, locks."""
