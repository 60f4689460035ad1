"""Whether the data are fit to train a model on: facts in, verdicts in plain words out."""
