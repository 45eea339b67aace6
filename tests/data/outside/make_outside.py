"""Make the images of this folder, which stand for those of another laboratory: python make_outside.py FOLDER.

Three scenes of the miniature (seed 11), of 64 x 64 pixels, in `originals`; and three methods that know of no
model: `blur` (Gaussian, 1 and 2 pixels) and `contrast` (towards the mean colour, by 0.2 and 0.5), each weak
and strong, and `warp` (a smooth random displacement of up to 2 pixels), of one strength. All are 8-bit PNG.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from codingaxes.miniature import scenes

SIZE, SCENES, SEED = 64, 3, 11


def main(folder):
    """Write originals and methods below a folder."""
    images, _ = scenes.render_many(SEED, SCENES, SIZE)
    for number, image in enumerate(images / 255, start=1):
        mean = image.mean(axis=(0, 1))
        made = {
            "originals": image,
            "blur/weak": gaussian_filter(image, (1, 1, 0)),
            "blur/strong": gaussian_filter(image, (2, 2, 0)),
            "contrast/weak": image + 0.2 * (mean - image),
            "contrast/strong": image + 0.5 * (mean - image),
            "warp": warped(image, np.random.default_rng(3 + number)),
        }
        for name, pixels in made.items():
            file = Path(folder, name, f"scene_{number}.png")
            file.parent.mkdir(parents=True, exist_ok=True)
            content = np.round(255 * np.clip(pixels, 0, 1)).astype(np.uint8)
            Image.fromarray(content).save(file, optimize=True)


def warped(image, rng):
    """Displace the pixels of an image (size, size, 3) smoothly at random, by up to 2 pixels."""
    shift = gaussian_filter(rng.standard_normal((2, SIZE, SIZE)), (0, 6, 6))
    shift *= 2 / np.abs(shift).max()
    places = np.mgrid[:SIZE, :SIZE] + shift
    colours = [map_coordinates(image[..., i], places, order=1, mode="nearest") for i in range(3)]
    return np.stack(colours, axis=-1)


if __name__ == "__main__":
    main(sys.argv[1])
