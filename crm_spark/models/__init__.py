"""Models: fit(df, params) -> Fitted; score(model, df) -> df."""
