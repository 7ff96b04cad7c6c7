"""Runs a file in TensorFlow Lite Micro, in an environment of its own: `python microcontrollers_run.py FILE IN OUT`.

IN: a .npy of the file's inputs, one after another; OUT: a .npy of the outputs. What it allocates is printed by it.
"""

import sys

import numpy as np
from tflite_micro.python.tflite_micro import runtime

ARENA = 1 << 28  # bytes


def main() -> None:
    """Of one file."""
    file, inputs, outputs = sys.argv[1:]
    interpreter = runtime.Interpreter.from_file(file, arena_size=ARENA)
    interpreter.print_allocations()
    made = []
    for x in np.load(inputs):
        interpreter.set_input(x[None], 0)
        interpreter.invoke()
        made.append(np.array(interpreter.get_output(0)))
    np.save(outputs, np.concatenate(made))


if __name__ == "__main__":
    main()
