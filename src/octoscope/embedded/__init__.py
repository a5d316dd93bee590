"""Files that ship inside the package: the demo policy and the demo episodes."""
