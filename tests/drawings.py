"""What a drawn figure holds: the one picture, and its text."""

from xml.etree import ElementTree


def only(collected):
    """Return the one picture that was collected."""
    (picture,) = collected.take()
    return picture


def texts_of(svg):
    """Return the texts of a figure, one for each text element."""
    elements = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(element.itertext()) for element in elements]


def text_of(svg):
    """Return all text of a figure."""
    return " ".join(texts_of(svg))
