"""Detection: boxes, their matching to what a network says, and how both are compared."""
