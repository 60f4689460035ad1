"""Who is about to leave: labels, candidates, evaluation and the choice of a champion."""
