"""Turn pictures, figures and movies into small data that a page carries within itself."""

import base64
from dataclasses import dataclass
from html import escape
from io import BytesIO

import numpy as np
from PIL import Image

SMALL_FIGURE = 900  # pixels that a figure is wide beside an answer
FIGURE_QUALITY = 80  # of WebP: letters stay sharp, a figure takes about 120 kB
PICTURE_QUALITY = 85  # noise stays noise, a picture of 64 x 64 pixels takes 1.7 kB
PICTURE_SIDE = 128  # pixels, at most, of a picture of the explorer
MOVIE_QUALITY, MOVIE_WIDTH, MOVIE_EVERY = 60, 560, 2  # every second frame: 0.4 MB a movie of six seconds


@dataclass(frozen=True)
class Picture:
    """Hold a picture as an address that contains it, and its size in pixels."""

    uri: str
    width: int
    height: int

    def tag(self, alt, more=""):
        """Write the HTML of the picture; `alt` says what it shows to those who cannot see it."""
        size = f'width="{self.width}" height="{self.height}"'
        return f'<img src="{self.uri}" {size} alt="{escape(alt, quote=True)}" decoding="async" {more}>'


def figure(path, width=None):
    """Read a figure (PNG) and make its file smaller, as WebP on white; at most `width` pixels wide."""
    with Image.open(path) as image:
        return _picture(_narrow(image.convert("RGB"), width or image.width), quality=FIGURE_QUALITY)


def strip(pictures):
    """Join pictures (n, size, size, 3) in [0, 1] side by side, each at most `PICTURE_SIDE` pixels wide."""
    tiles = [Image.fromarray((np.clip(one, 0, 1) * 255).round().astype(np.uint8)) for one in pictures]
    side = min(PICTURE_SIDE, tiles[0].width)
    joined = Image.new("RGB", (side * len(tiles), side))
    for place, tile in enumerate(tiles):
        joined.paste(tile.resize((side, side), Image.Resampling.LANCZOS), (place * side, 0))
    return _picture(joined, quality=PICTURE_QUALITY)


def movie(path):
    """Read a movie (animated WebP) and make it smaller.

    Returns
    -------
    moving, still : Picture
        The movie with fewer and smaller frames that lasts as long, and its last frame.
    """
    with Image.open(path) as image:
        frames, times = [], []
        for place in range(image.n_frames):
            image.seek(place)
            image.load()
            times.append(image.info.get("duration", 100))
            if place % MOVIE_EVERY == 0 or place == image.n_frames - 1:
                frames.append((place, _narrow(image.convert("RGB"), MOVIE_WIDTH)))
    starts = [place for place, _ in frames]
    ends = [*starts[1:], len(times)]
    shown = [sum(times[start:end]) for start, end in zip(starts, ends, strict=True)]
    images = [frame for _, frame in frames]
    options = {"save_all": True, "append_images": images[1:], "duration": shown, "loop": 0, "method": 2}
    return _picture(images[0], quality=MOVIE_QUALITY, **options), _picture(images[-1], quality=MOVIE_QUALITY)


def _narrow(image, width):
    width = min(width, image.width)
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)


def _picture(image, **options):
    content = BytesIO()
    image.save(content, "WEBP", **({"method": 4} | options))
    return Picture(uri("image/webp", content.getvalue()), *image.size)


def uri(kind, content):
    """Write bytes as an address that contains them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
