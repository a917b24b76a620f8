"""The language model itself: tensors only, usable without the rest of the project.

Rooms: ``model`` (the decoder), ``feed`` (tokens in training order), ``objectives`` (losses), ``train``, ``adapt``
(low-rank adapters), ``compress`` (quantization), ``generate``, ``serve``, ``interop`` (other projects' formats).
"""
