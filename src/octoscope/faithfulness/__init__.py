"""Whether a map tells what the action depends on: scores of methods against interventions."""
