"""The page over runs: what a browser is given, the server that gives it, and the single file that holds it all."""
