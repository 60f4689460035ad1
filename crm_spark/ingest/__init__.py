"""From the user's sources to core: plan, map, clean, version, write, reject and replay."""
