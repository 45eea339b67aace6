"""Tests of the two networks that stand for all."""

from codingaxes.contrast import contrasted


def row(name, family, architecture, radius=0.0):
    """Make the part of a row of the table of networks that counts."""
    return {"name": name, "family": family, "architecture": architecture, "training_radius": radius}


PLAIN = row("plain", "standard", "vit")
SOME = [row("a", "standard", "resnet"), row("b", "robust", "resnet", 0.3), row("c", "robust", "resnet", 1.4)]


def test_both_are_of_the_first_architecture_that_has_both_and_the_robust_one_is_the_most_robust():
    more = row("d", "robust", "vgg", 9.0)
    assert contrasted([PLAIN, *SOME, more]) == ("a", "c")


def test_without_such_an_architecture_they_are_of_any():
    assert contrasted([PLAIN, SOME[1], SOME[2]]) == ("plain", "c")


def test_what_there_is_not_is_none():
    assert contrasted([PLAIN]) == ("plain", None)
    assert contrasted([SOME[1]]) == (None, "b")
    assert contrasted([]) == (None, None)
