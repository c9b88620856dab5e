"""Profile → answers: what holds of a claim, and on what evidence."""
