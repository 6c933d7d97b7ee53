"""The pictures of README and the documents show the results that are committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import pictures


def test_every_picture_of_the_gallery_is_one_that_the_program_takes() -> None:
    assert {path.name for path in pictures.GALLERY.glob("*.png")} <= pictures.PICTURES.keys()


@pytest.mark.parametrize("path", sorted(pictures.GALLERY.glob("*.png")), ids=lambda path: path.name)
def test_a_picture_shows_the_results_beside_it(path: Path) -> None:
    results = pictures.GALLERY / pictures.PICTURES[path.name].results
    assert pictures.shown(path) == pictures.hash_of(results), f"run: python -m benchmarks.pictures {path.name}"
