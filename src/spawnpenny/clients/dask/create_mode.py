"""Policy for a cluster whose name is already taken."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class CreateMode(StrEnum):
    """Create a cluster, connect to one, or either. The values are those of ``dask_kubernetes``."""

    CREATE_ONLY = "CREATE_ONLY"
    CREATE_OR_CONNECT = "CREATE_OR_CONNECT"
    CONNECT_ONLY = "CONNECT_ONLY"

    @classmethod
    def of(cls, value: Any) -> CreateMode:
        """Return the mode by its name, in any case, or by the enum member of another library.

        Raises:
            ValueError: No mode has that name.

        """
        name = str(getattr(value, "value", value)).upper()
        try:
            return cls(name)
        except ValueError:
            raise ValueError(f"create_mode is {value!r}; it can be {', '.join(cls)}.") from None
