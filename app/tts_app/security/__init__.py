"""Who calls: principals, scopes, and the keys by which callers are known."""
