"""Tenants: what they may be called, and where their objects are. Pure."""

import re

DEFAULT_TENANT = "default"
"""The tenant of callers whose key names none, and of everything that was stored before there were tenants."""
TENANT_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""A DNS label of lower-case letters, which is a safe part of every path."""
_FOLDER = "tenants"
"""Holds the folders of all other tenants, so that none is called like something of the default tenant."""


def is_tenant(name: str) -> bool:
    """Whether a tenant may be called `name`."""
    return re.fullmatch(TENANT_NAME, name) is not None


def objects_of(tenant: str, root: str) -> str:
    """Return the path or URL of a tenant's objects below `root`; those of the default tenant are in `root`.

    Raises:
        ValueError: no tenant may be called so.
    """
    if tenant == DEFAULT_TENANT:
        return root
    if not is_tenant(tenant):
        raise ValueError(f"{tenant[:80]!r} is no name of a tenant: it would not be a safe part of a path.")
    return f"{root.rstrip('/')}/{_FOLDER}/{tenant}"
