"""An OpenAI-compatible server over the engine; it knows where models come from only through a ``ModelSource``."""
