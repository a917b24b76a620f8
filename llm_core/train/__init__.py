"""Training: one loop for every size, from a study in process to several processes on several machines."""
