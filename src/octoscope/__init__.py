"""octoscope: see what an Octo robot policy looks at, and test whether it matters."""
