"""Instructions as Octo reads them."""
