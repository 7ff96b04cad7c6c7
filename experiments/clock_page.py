"""The page and the picture of `clock`."""


def write_page(found, minutes):
    pass
