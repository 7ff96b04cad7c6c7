"""How many of the labels that confident learning calls wrong are wrong, by the network's accuracy and the true share.

    python experiments/suspects.py

On scikit-learn's 1,797 digits, whose labels are changed at random; the probabilities are those of a logistic regression
in five folds, which blurs into a weak classifier as noise is added to its pixels. Prints the table of docs/looks.md, a
line for each setting, in a minute.
"""

import argparse
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from leannet.looks.suspect_labels import Suspects, ranked

NOISE = (0.0, 0.15, 0.3, 0.5, 1.2)  # standard deviation, of pixels from 0 to 1
SHARES = (0.0, 0.03, 0.1, 0.2)  # of labels that are changed


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    pixels, labels = load_digits(return_X_y=True)
    print("| labels wrong | accuracy | called wrong | of these wrong | named |")
    print("|--:|--:|--:|--:|---|")
    for share in SHARES:
        for noise in NOISE:
            random = np.random.default_rng(0)
            inputs = pixels / 16 + random.normal(size=pixels.shape) * noise
            changed = random.choice(len(labels), round(share * len(labels)), replace=False)
            noisy_labels = labels.copy()
            noisy_labels[changed] = (labels[changed] + random.integers(1, 10, len(changed))) % 10
            model = LogisticRegression(max_iter=200)
            probabilities = cross_val_predict(model, inputs, noisy_labels, cv=5, method="predict_proba")
            probabilities = probabilities.astype(np.float32)
            names = [str(number) for number in range(len(labels))]
            suspects = Suspects(ranked(names, noisy_labels, probabilities, tuple(map(str, range(10)))), "all")
            called = {int(each.image) for each in suspects.images if each.likely}
            correct = len(called & set(changed.tolist())) / max(len(called), 1)
            accuracy = float((probabilities.argmax(axis=1) == noisy_labels).mean())
            print(
                f"| {100 * share:.0f} % | {100 * accuracy:.0f} % | {100 * len(called) / len(labels):.1f} % | "
                f"{100 * correct:.0f} % | {'yes' if suspects.is_reliable else 'no'} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
