"""Ways in: each turns one protocol's request into a Submission, and the verdict into that protocol's answer."""
