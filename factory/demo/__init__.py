"""The embedded policy and episodes, and how they were made."""
