"""The published contract of Einklang, by version."""
