"""The pretrained checkpoint: from scratch at the first snapshot, and then from the champion, with replay."""
