"""The definition of a decision: docs/semantics.md in plain Python, with exact integers. Slow, and easy to check."""
