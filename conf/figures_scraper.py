"""Pictures of a gallery script onto its page: four files each, with words for the blind.

sphinx-gallery's own scraper saves one PNG of whatever pyplot holds, which is
white on a dark page, unreadable on a telephone, and described by its file name.
Ours takes the pictures that `accel.figures` keeps and shows them by the
``picture`` directive. That they have alternative text, `accel.figures` sees to.
"""

from __future__ import annotations

from pathlib import Path

from accel.figures import look


def scrape(block, block_vars: dict, gallery_conf: dict) -> str:
    """Return the RST for the pictures of one code block, as sphinx-gallery asks."""
    texts = []
    for picture in look.take():
        stem = Path(block_vars["image_path_iterator"].next()).with_suffix("")
        wide, narrow = look.write_variants(picture, stem)[:2]
        place = stem.relative_to(gallery_conf["src_dir"]).as_posix()
        texts.append(
            f"\n.. picture:: /{place}\n"
            f"   :alt: {' '.join(picture.words.split())}\n"
            f"   :wide: {wide.width} {wide.height}\n"
            f"   :narrow: {narrow.width} {narrow.height}\n\n"
        )
    return "".join(texts)
