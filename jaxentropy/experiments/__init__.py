"""The main job, from settings to a results folder."""
