"""The one hierarchy of errors: each message says what, where, and the mend."""


class TidemillError(Exception):
    """Base of every error that Tidemill raises on purpose; shown to the user without a traceback."""


class LakeError(TidemillError):
    """An artifact cannot be found, built, or trusted."""


class SpecError(TidemillError):
    """The spec asks for something that does not exist or cannot be."""


class InputError(TidemillError):
    """A file or record from outside is not what it claims to be."""


class BuildError(TidemillError):
    """A stage could not make its artifact from sound inputs."""
