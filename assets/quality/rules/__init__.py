"""The rule filters: every module in this folder is loaded, and what it registers may be named in the spec."""
