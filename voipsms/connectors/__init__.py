"""Ways out: one module a kind of gateway, each with the same port."""
