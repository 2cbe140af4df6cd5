"""What the recipe `auto` chooses for data sets, and why, as Markdown.

``python benchmarks/chosen_settings.py esc10.csv digits.csv``

Data without splits are divided as `train` divides them; test recordings are not looked at.
"""

import argparse
from pathlib import Path

from earmark.config import load_config
from earmark.data.manifest import read_manifest
from earmark.training.recipes.configure import configure, describe, divide


def main() -> None:
    """Prints a section a data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--store", type=Path, help="feature store; the shared one by default")
    arguments = parser.parse_args()
    config = load_config()
    for data in arguments.data:
        manifest = divide(read_manifest(data), config)
        chosen = configure(manifest, config, store=arguments.store)
        print(f"## {data.stem if data.stem != 'manifest' else data.parent.name}\n\n```text")
        if chosen.fingerprint:
            print("\n".join(chosen.fingerprint.summary()))
        print("```\n")
        for line in describe(chosen.choices):
            group, _, rest = line.partition(": ")
            print(f"- **{group}**: {rest}")
        print()


if __name__ == "__main__":
    main()
