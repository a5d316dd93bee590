"""Testing what matters: the policy run again with something taken away, under the same noise."""
