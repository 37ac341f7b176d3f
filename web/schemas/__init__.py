"""What comes in and what goes out, one module a noun; OpenAPI is made of the same classes."""
