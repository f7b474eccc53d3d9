"""An app on a device: it looks at digits and tastes wine, with whatever models its agent has installed.

    python app.py --dir AGENT_DIR --digits FIELD.npz --wine FIELD.npz --world WORLD --stats STATS.json

It asks both models `--rate` times a second until SIGTERM, online or not, and never notices an update. WORLD is a file
with one word, 'usual' or 'changed': in a changed world the camera has slipped, and the light is poor.
"""

import argparse
import json
import signal
import time
from pathlib import Path

import numpy as np

from edgewright.agent import Model, ModelNotReady


def see(pixels: np.ndarray, world: str, random: np.random.Generator) -> np.ndarray:
    """What the camera makes of an image of shape (64,), in this world."""
    image = pixels.reshape(8, 8).copy()
    if world == "changed":
        image = np.roll(image, 1, axis=1)
        image[:, 0] = 0
        image = image * 0.6 + random.normal(0.0, 1.5, image.shape)
    return np.clip(image, 0, 16).astype(np.float32).reshape(1, 64)


class Stats:
    """What the app itself counts, written to a file every second so that others can look."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts = {"requests": 0, "failed": 0}
        self.worlds: dict[str, dict[str, int]] = {}
        self.versions: dict[str, list[int]] = {"digits": [], "wine": []}
        self.last_error = ""

    def count(self, model: str, version: int, *, failed: bool = False) -> None:
        self.counts["requests"] += 1
        self.counts["failed"] += failed
        if version not in self.versions[model]:
            self.versions[model].append(version)

    def score(self, world: str, version: int, is_right: bool) -> None:
        seen = self.worlds.setdefault(f"{world}/{version}", {"rows": 0, "right": 0})
        seen["rows"] += 1
        seen["right"] += bool(is_right)

    def save(self) -> None:
        draft = self.path.with_suffix(".new")
        body = {**self.counts, "worlds": self.worlds, "versions": self.versions, "last_error": self.last_error}
        draft.write_text(json.dumps(body))
        draft.replace(self.path)


class Stop:
    """Set by SIGTERM. (A threading.Event must not be set by a handler that may interrupt its own wait.)"""

    is_wanted = False


def wait_for(model: Model, stop: Stop) -> None:
    """Wait until the agent has installed a package of this model, or the app shall stop."""
    while not stop.is_wanted:
        try:
            model.wait_ready(timeout_s=0.5)
        except ModelNotReady:
            continue
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("dir", "digits", "wine", "world", "stats"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=20.0, help="requests to each model per second")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    stop = Stop()
    signal.signal(signal.SIGTERM, lambda *_: setattr(stop, "is_wanted", True))
    random = np.random.default_rng(options.seed)
    digits_field, wine_field = np.load(options.digits), np.load(options.wine)
    images, truth, wines = digits_field["image"], digits_field["label"], wine_field["measurements"]
    stats = Stats(options.stats)
    with Model("digits", dir=options.dir) as digits, Model("wine", dir=options.dir) as wine:
        for model in (digits, wine):
            wait_for(model, stop)
        turn = 0
        while not stop.is_wanted:
            time.sleep(1.0 / options.rate)  # the camera's pace
            world = options.world.read_text().strip()
            row, bottle = int(random.integers(len(images))), int(random.integers(len(wines)))
            try:
                answer = digits.predict(image=see(images[row], world, random), reference=f"field-{row}")
                stats.score(world, digits.version, int(answer["label"][0]) == int(truth[row]))
                stats.count("digits", digits.version)
                wine.predict(measurements=wines[bottle : bottle + 1], reference=f"field-{bottle}")
                stats.count("wine", wine.version)
            except Exception as error:
                stats.count("digits", digits.version, failed=True)
                stats.last_error = f"{type(error).__name__}: {error}"
            turn += 1
            if turn % max(1, int(options.rate)) == 0:
                stats.save()
    stats.save()


if __name__ == "__main__":
    main()
