"""The root of every error that ``llm_core`` raises on purpose."""


class LLMCoreError(Exception):
    """Root of the hierarchy; its message says what is wrong, where, and the mend."""


class ConfigError(LLMCoreError, ValueError):
    """A configuration names an unknown field, or asks for an impossible value or combination."""


def require(config: object, field: str, holds: bool, what: str) -> None:
    """Raise a ConfigError that names a configuration's field and what it must be, unless that holds."""
    if not holds:
        raise ConfigError(f"{type(config).__name__}.{field} is {getattr(config, field)!r}; it must be {what}")
