"""What comes in and what goes out, one module a noun; OpenAPI is made of the same classes."""

# Before any route is declared, so that each is parsed by our rules.
from web.schemas import parsing

__all__ = ["parsing"]
