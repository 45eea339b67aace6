"""Movies of growing perturbations: their frames, their cursor, their files."""

import numpy as np
import pandas as pd
import planted_summaries as planted
import pytest
import render_movies
from PIL import Image
from planted_summaries import BRAIN, SIZE

from codingaxes.figures import movies, pictures, style
from codingaxes.job import Run

RADII = np.array([0.0, 0.1, 0.4, 0.9])
MAKERS = ("a_plain", "b_tough", BRAIN)


@pytest.fixture
def movie(tmp_path):
    """A movie of three makers, whose perturbations are noise of the size of each radius."""
    looks = style.look(planted.plant_networks(tmp_path))
    rng = np.random.default_rng(3)
    original = rng.integers(64, 192, (SIZE, SIZE, 3)) / 255
    columns, levels = [], []
    for name in MAKERS:
        noise = rng.normal(size=original.shape)
        noise /= np.linalg.norm(noise)
        shown = np.stack([original + radius * noise for radius in RADII])
        columns.append(movies.Column(name, looks.label[name], looks.ink[name], shown))
        levels += [(name, reviewer, r, 0.5 + 2 * r) for reviewer in (*MAKERS, "c_tough") for r in RADII]
    levels = pd.DataFrame(levels, columns=["network", "reviewer", "radius", "level"])
    return movies.Movie("FFA up", RADII, columns, levels, looks, 4.0)


@pytest.fixture
def shown(movie):
    """Its frames."""
    return list(movies.frames(movie))


def cursors(movie, frame, column):
    """The columns of pixels of a plot that have the colour of the cursor from top to bottom."""
    rows = frame[movie.plot_top : movie.plot_top + movies.PLOT]
    return [
        x
        for x in range(movie.left(column) - 2, movie.left(column) + movie.side + 2)
        if (rows[:, x] == movies.CURSOR).all()
    ]


def picture_in(movie, frame, column, top=movies.TOP):
    """What a column shows, at the resolution of the screen."""
    left = movie.left(column)
    return frame[top : top + movie.side, left : left + movie.side]


def test_there_are_so_many_frames_between_two_radii_and_each_has_a_duration(movie, shown):
    assert len(shown) == (len(RADII) - 1) * (movies.BETWEEN + 1) + 1 == len(movies.durations(len(RADII)))
    assert {frame.shape for frame in shown} == {(movie.size[1], movie.size[0], 3)}
    assert movies.durations(len(RADII))[0] == movies.durations(len(RADII))[-1] == movies.HELD


def test_the_cursor_moves_from_the_left_to_the_right_end_and_is_at_each_radius_in_time(movie, shown):
    for column in range(len(MAKERS)):
        places = [cursors(movie, frame, column) for frame in shown]
        assert all(len(place) == 2 for place in places)  # two pixels wide
        begin = np.array([place[0] for place in places]) - movie.left(column)
        assert begin[0] == 0 and begin[-1] == movie.side - 2 and (np.diff(begin) > 0).all()
        expected = np.sqrt(RADII / RADII[-1]) * (movie.side - 2)
        assert begin[:: movies.BETWEEN + 1] == pytest.approx(expected, abs=0.51)


def test_the_first_frame_shows_the_image_itself_and_no_change(movie, shown):
    for column in movie.columns:
        place = movie.columns.index(column)
        np.testing.assert_array_equal(
            picture_in(movie, shown[0], place), movies.enlarged(movie, column.pictures[0])
        )
        change = picture_in(movie, shown[0], place, movies.TOP + movie.side + movies.NUMBERS)
        assert (change == 128).all()


def test_frames_at_the_radii_show_the_saved_pictures_and_those_between_are_between_them(movie, shown):
    for place, radius in enumerate(RADII):
        frame = shown[place * (movies.BETWEEN + 1)]
        saved = movie.columns[1].pictures[place]
        np.testing.assert_array_equal(picture_in(movie, frame, 1), movies.enlarged(movie, saved))
        assert movies.interpolated(movie, place, 0.0)[0] == pytest.approx(radius)
    for share in (
        0.25,
        0.5,
        0.75,
    ):  # the perturbation keeps its direction here: its size is the radius stated
        radius, between = movies.interpolated(movie, 1, share)
        assert RADII[1] < radius < RADII[2]
        assert np.linalg.norm(between[0] - movie.columns[0].pictures[0]) == pytest.approx(radius)


def test_responses_are_pale_until_the_cursor_has_reached_them(movie, shown):
    pale, full = (background.astype(int) for background in movies.backgrounds(movie))
    different = np.abs(pale - full).sum(axis=2) > 0
    assert different.any() and not different[: movie.plot_top - 4].any()  # nothing but the lines
    middle = shown[len(shown) // 2].astype(int)
    cursor = cursors(movie, shown[len(shown) // 2], 0)[0]
    rows = slice(movie.plot_top, movie.plot_top + movies.PLOT)
    left, right = slice(movie.left(0), cursor), slice(cursor + 2, movie.left(0) + movie.side)
    np.testing.assert_array_equal(middle[rows, left], full[rows, left])
    np.testing.assert_array_equal(middle[rows, right], pale[rows, right])


def test_a_movie_and_its_strip_are_the_same_to_the_byte_in_two_runs(movie, shown, tmp_path):
    for name in ("first", "second"):
        movies.save_webp(tmp_path / f"{name}.webp", movie, list(movies.frames(movie)))
        movies.strip(movie).save(tmp_path / f"{name}.png")
    for kind in ("webp", "png"):
        assert (tmp_path / f"first.{kind}").read_bytes() == (tmp_path / f"second.{kind}").read_bytes()
    with Image.open(tmp_path / "first.webp") as opened:
        assert opened.n_frames == len(shown) and opened.size == movie.size
        error = np.asarray(opened.convert("RGB")).astype(float) - shown[0]
    assert np.abs(error).mean() < 3  # grey levels


def test_noise_of_the_last_radius_is_still_there_in_the_file(movie, shown, tmp_path):
    file = tmp_path / "movie.webp"
    movies.save_webp(file, movie, shown)
    with Image.open(file) as opened:
        opened.seek(opened.n_frames - 1)
        last = picture_in(movie, np.asarray(opened.convert("RGB")), 0).astype(float)
    wanted = picture_in(movie, shown[-1], 0).astype(float)
    assert np.corrcoef(last.ravel(), wanted.ravel())[0, 1] > 0.95


def test_an_mp4_has_twice_the_size_and_keeps_the_colours_of_noise(movie, shown, tmp_path):
    av = pytest.importorskip("av")
    movies.save_mp4(tmp_path / "movie.mp4", movie, shown)
    with av.open(str(tmp_path / "movie.mp4")) as file:
        decoded = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    held = 2 * (round(movies.HELD / movies.MILLISECONDS) - 1)
    assert len(decoded) == len(shown) + held
    assert decoded[0].shape == (2 * movie.size[1], 2 * movie.size[0], 3)
    last = picture_in(movie, decoded[-1][::2, ::2], 0).astype(float)
    wanted = picture_in(movie, shown[-1], 0).astype(float)
    assert np.corrcoef((last - last.mean(2, keepdims=True)).ravel(), wanted.ravel())[0, 1] > 0.5
    assert np.abs(last - wanted).mean() < 6  # grey levels


def test_the_sizes_that_are_stated_are_those_of_the_pictures():
    delta = np.full((4, 4, 3), 2 / 255)
    assert movies.size_text(delta) == "l2 0.0543, RMS 2 grey levels"


def test_only_radii_that_have_room_are_written_and_both_ends_are():
    texts = movies.spaced([0.0, 0.286, 0.857, 2.86, 8.57, 14.3, 28.6])
    assert texts[0] == "0" and texts[-1] == "28.6" and texts.count("") >= 2


@pytest.mark.slow
@pytest.mark.parametrize("brain", [True, False])
def test_one_movie_for_each_region_and_direction_comes_out_of_a_study(tmp_path, brain):
    planted.plant(tmp_path, brain=brain, regions=("V1",), responses=("voxels",))
    inputs = ("networks", "stimuli", "chosen_images", "synthesis", "peer_review")
    inputs = {name: str(tmp_path / f"{name}.parquet") for name in inputs}
    names = [str(tmp_path / "movies" / f"V1_{direction}") for direction in ("increase", "decrease")]
    output = {"movies": [f"{name}.webp" for name in names], "strips": [f"{name}.png" for name in names]}
    (tmp_path / "movies").mkdir()
    (tmp_path / "movies" / "V1_increase.mp4").write_bytes(b"of an earlier run")
    params = {"image_size": SIZE, "regions": ["V1"]}
    render_movies.main(Run("render_movies", inputs, output, params, {}, str(tmp_path / "log")))
    for file in (*output["movies"], *output["strips"]):
        with Image.open(file) as opened:
            assert getattr(opened, "n_frames", 1) == (
                1 + 4 * (movies.BETWEEN + 1) if file.endswith("webp") else 1
            )
            columns = (opened.width - movies.LEFT - movies.RIGHT + movies.GAP) / (movies.SIDE + movies.GAP)
            assert not file.endswith("webp") or columns == (3 if brain else 2)
    old = tmp_path / "movies" / "V1_increase.mp4"
    assert old.exists() == movies.can_write_mp4() and (not old.exists() or old.stat().st_size > 100)


def test_a_picture_that_was_changed_after_it_was_made_or_is_gone_is_refused(tmp_path):
    file = tmp_path / "made.png"
    Image.fromarray(np.zeros((SIZE, SIZE, 3), np.uint8)).save(file)
    row = pd.Series({"file": str(file), "sha256": "0" * 64, "network": "a_plain"})
    with pytest.raises(ValueError, match=r"was changed.*table of a_plain"):
        pictures.open_made(row, SIZE)
    with pytest.raises(ValueError, match="prepare_stimuli"):
        pictures.open_stimulus(row, SIZE)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"made.png is not there.*run again"):
        pictures.open_made(row, SIZE)
