"""One page that shows attention and tests it: its parts, and how they are made."""
