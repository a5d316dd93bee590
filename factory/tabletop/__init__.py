"""The simulated table-top on which the demo policy is trained and judged; it knows nothing of Octo."""
