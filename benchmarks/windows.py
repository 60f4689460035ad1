"""The windows that the peers of build_features look back on."""

WINDOWS = (7, 14, 28, 56, 84, 180, 365)
