"""Images: where they come from, whether they can be read, how they are split and become batches."""
