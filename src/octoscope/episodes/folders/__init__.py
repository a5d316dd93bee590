"""Recordings that are plain files: pictures, videos, arrays of a step each."""
