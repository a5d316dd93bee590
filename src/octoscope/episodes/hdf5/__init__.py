"""HDF5 recordings: robomimic, MimicGen, LIBERO, ALOHA, DROID."""
