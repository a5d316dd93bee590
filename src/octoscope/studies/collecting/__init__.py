"""Many episodes into a collection: one loop for this process, local processes and a Ray cluster."""
