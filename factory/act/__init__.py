"""The embedded ACT: how it is trained to pick up the one red object of a table-top, written as LeRobot's folder, and scored."""
