"""Operations on lists and texts: make, apply, join, take back, and carry over concurrent ones.

An operation is a list of steps from front to back: a number keeps so many items or characters, `{"delete": n}` removes,
`{"insert": […]}` or `{"insert": "…"}` inserts. What lies behind the last step stays.
"""

from ._native import sequence_apply as apply
from ._native import sequence_between as between
from ._native import sequence_compose as compose
from ._native import sequence_invert as invert
from ._native import sequence_transform as transform

__all__ = ["apply", "between", "compose", "invert", "transform"]
