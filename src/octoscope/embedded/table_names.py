"""What can stand on the embedded table-top and what its masks number, by the names that episodes and networks use."""

# Datasets of it.
TABLE_DATASETS = ("tabletop", "tabletop_red")
OBJECTS = 4
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SHAPES = ("cube", "ball", "cylinder", "pyramid")
# What a mask holds where it shows the gripper or the arm; 0 is background, 1..OBJECTS the objects.
GRIPPER_ID, ARM_ID = OBJECTS + 1, OBJECTS + 2
# What an instruction may ask for.
FAMILIES = ("pick_up", "push", "put_next_to")
