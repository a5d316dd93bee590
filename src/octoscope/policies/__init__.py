"""What every policy is, and the families that are written here."""
