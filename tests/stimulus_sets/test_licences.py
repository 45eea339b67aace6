"""A set says whose its images are, and refuses to be public where nobody has read the terms."""

import pytest

from codingaxes.stimulus_sets import licences


def design(public=True, terms_read="", licence=""):
    """Make the part of a design that licences read."""
    return {"public": public, "terms_read": terms_read, "licence": licence}


@pytest.mark.parametrize("source", ["nsd", "local"])
@pytest.mark.parametrize("read", ["", "  ", "yes", "2026-05-01", "A. Reader", "1234"])
def test_photographs_are_not_made_public_unless_somebody_has_read_the_terms_at_a_date(source, read):
    with pytest.raises(ValueError, match=r"public: true is refused.*who has read them and when"):
        licences.check_public(design(terms_read=read), source)


@pytest.mark.parametrize("read", ["A. Reader, 2026-05-01", "read by Jo Müller on 1 May 2026"])
def test_photographs_are_made_public_if_somebody_has_read_the_terms(read):
    licences.check_public(design(terms_read=read), "nsd")
    licences.check_public(design(public=False), "nsd")


def test_own_images_need_a_licence_to_be_public_and_scenes_of_the_miniature_need_nothing():
    with pytest.raises(ValueError, match="the licence of your own images is unknown"):
        licences.check_public(design(), "own")
    licences.check_public(design(licence="CC-BY-4.0"), "own")
    licences.check_public(design(), "miniature")


def test_the_licence_is_that_of_the_natural_images():
    assert licences.of(design(), "miniature").license == "MIT"
    for source in ("nsd", "local"):
        assert "COCO" in licences.of(design(), source).license
        assert licences.NSD_TERMS in licences.of(design(), source).words
    assert licences.of(design(), "own").license == "unknown"
    assert "**unknown**" in licences.of(design(), "own").words
    stated = licences.of(design(licence="CC-BY-4.0"), "own")
    assert stated.license == "CC-BY-4.0" and "CC-BY-4.0" in stated.words
