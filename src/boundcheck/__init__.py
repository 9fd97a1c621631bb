"""boundcheck sets the theorems of learning theory against trained networks."""
