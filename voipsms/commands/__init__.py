"""What `voipsms COMMAND` does: one module a family of commands, each with `add_to(subparsers)`."""
