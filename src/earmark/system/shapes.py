"""Array types with their shapes, as jaxtyping writes them: ``Float32[np.ndarray, "clips labels"]``.

Tests import jaxtyping first and check every shape. Elsewhere the annotations are plain array types,
so that nobody waits for its import and nobody but developers needs it.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.modules.get("jaxtyping"):
    from jaxtyping import (
        Bool,
        Float,
        Float16,
        Float32,
        Float64,
        Int,
        Int64,
        UInt8,
        UInt32,
        UInt64,
    )
else:

    class _Array:
        def __class_getitem__(cls, array_and_shape: tuple[Any, str]) -> Any:
            return array_and_shape[0]

    Bool = Float = Float16 = Float32 = Float64 = Int = Int64 = UInt8 = UInt32 = UInt64 = _Array

__all__ = [
    "Bool",
    "Float",
    "Float16",
    "Float32",
    "Float64",
    "Int",
    "Int64",
    "UInt8",
    "UInt32",
    "UInt64",
]
