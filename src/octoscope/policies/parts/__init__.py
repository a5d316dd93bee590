"""Parts that several families of LeRobot's policies are built from."""
