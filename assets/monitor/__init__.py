"""The stage that watches: the request log in closed windows, the reference they are compared with, the drift report."""
