"""The default source: a documentation web on loopback, made from what Python and the installed packages carry."""
