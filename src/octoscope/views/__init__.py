"""Runs and results into views: values that say what a person looks at, before it is drawn."""
