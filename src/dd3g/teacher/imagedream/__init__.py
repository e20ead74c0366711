"""ImageDream as the teacher: its checkpoints, and its network on stock classes."""
