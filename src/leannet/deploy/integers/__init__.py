"""From a float network to 8-bit integers: measuring ranges, judging the loss, training with rounding in place."""
