"""What a policy folder of LeRobot says: features, cameras, normalisation, processors; old and new. NumPy only."""
