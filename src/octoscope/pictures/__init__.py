"""Runs into sheets, films and layout pictures: what a person looks at."""
