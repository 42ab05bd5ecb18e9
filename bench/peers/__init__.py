"""The others: one small adapter each, run in an environment of its own."""
