"""The root of every error that ``llm_core`` raises on purpose."""


class LLMCoreError(Exception):
    """Root of the hierarchy; its message says what is wrong, where, and the mend."""


class ConfigError(LLMCoreError, ValueError):
    """A configuration names an unknown field, or asks for an impossible value or combination."""
