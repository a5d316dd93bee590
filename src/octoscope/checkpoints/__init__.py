"""Files that hold a policy's parameters: where they come from and how they are read, whatever the policy."""
