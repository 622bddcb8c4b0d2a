"""What the doctor looks at: a file a kind of check, each with its findings and a function ``look``."""
