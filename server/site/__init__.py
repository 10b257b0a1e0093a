"""The static documentation site of a project: `einklang docs`."""
