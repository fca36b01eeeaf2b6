"""Fields pass from process to process without a pipe, and leave nothing behind."""

import multiprocessing
import tempfile
from pathlib import Path

import numpy as np

from srwizard.data.prepare.handing_over import SharedFields


def put(room: SharedFields, fields: list[np.ndarray]) -> None:
    room.put(fields)


def test_what_another_process_puts_is_there_until_the_next() -> None:
    room = SharedFields((3, 5))
    for count in (4, 2, 7):
        fields = [np.random.default_rng(count).normal(size=(3, 5)).astype("f4")] * count
        process = multiprocessing.get_context("spawn").Process(target=put, args=(room, fields))
        process.start()
        process.join()
        np.testing.assert_array_equal(room.get(count), np.stack(fields))
    room.close()


def test_the_room_has_no_name_that_could_be_left() -> None:
    places = [place for place in (Path("/dev/shm"), Path(tempfile.gettempdir())) if place.is_dir()]
    before = [set(place.iterdir()) for place in places]
    room = SharedFields((300, 500))
    room.put([np.zeros((300, 500), "f4")])
    made = [set(place.iterdir()) - names for place, names in zip(places, before, strict=True)]
    assert not [name for names in made for name in names if "srwizard" in name.name]
    room.close()
