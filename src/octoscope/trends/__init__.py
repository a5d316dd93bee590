"""Many runs: what each head does in tasks, phases, outcomes and policies, with intervals and controls."""
