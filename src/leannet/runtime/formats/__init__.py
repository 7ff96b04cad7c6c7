"""Files that engines read, spelled from operations: a table from operation to spelling each."""
