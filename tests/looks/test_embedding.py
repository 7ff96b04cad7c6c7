"""Planes: digits stay apart, neighbours are counted right, and the page shows what there is."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from leannet.checkpoint import load
from leannet.cli import embed as verb
from leannet.console import Console
from leannet.data.images import prepare, read
from leannet.data.loader import normalize
from leannet.errors import LeannetError
from leannet.evaluation.labelled_images import labelled_images
from leannet.looks import Embedding, Suspects, embed
from leannet.looks.embedding import _thumbnails, near_share, to_plane
from leannet.looks.embedding_figure import NAMED, draw, style
from leannet.looks.embedding_page import render
from leannet.looks.thumbnails import sprite, thumbnail
from leannet.training import train
from tests.conftest import draw_folder


def test_tsne_keeps_digits_apart() -> None:
    digits = load_digits()
    points = to_plane(digits.data[:400])
    assert points.shape == (400, 2)
    assert near_share(points, digits.target[:400]) > 0.9


def test_neighbours_by_brute_force() -> None:
    random = np.random.default_rng(0)
    points, labels = random.normal(size=(60, 3)), random.integers(0, 4, 60)
    right = 0
    for i in range(60):
        far = sorted((float(((points[i] - points[j]) ** 2).sum()), j) for j in range(60) if j != i)
        votes = [sum(labels[j] == label for _, j in far[:5]) for label in range(4)]
        right += votes.index(max(votes)) == labels[i]
    assert near_share(points, labels) == right / 60


def test_a_plane_of_one_channel_and_of_nothing() -> None:
    line = np.arange(30, dtype=np.float32)[:, None]
    one = to_plane(line)
    assert np.isfinite(one).all()
    assert np.array_equal(to_plane(line), one)
    with pytest.raises(LeannetError, match="Conv1: makes the same of every image"):
        to_plane(np.full((30, 4), 0.1, np.float32), "Conv1")
    with pytest.raises(LeannetError, match="no numbers"):
        to_plane(np.full((30, 4), np.nan), "Conv1")


def test_fifty_classes_look_different() -> None:
    assert len({style(number) for number in range(NAMED)}) == NAMED == 50


def test_a_sprite_holds_every_thumbnail_where_it_is_looked_for() -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (6, 9, 3), dtype=np.uint8) for _ in range(5)]
    address, columns, (width, height) = sprite(images)
    assert (columns, width, height) == (3, 9, 6)
    assert address.startswith("data:image/png;base64,")
    assert thumbnail(np.zeros((200, 100, 1), np.uint8)).shape == (56, 28, 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("embedding")
    draw_folder(root / "shapes", each=20, kinds=("disc", "square <b>&"))
    return train(
        str(root / "shapes"), out=root / "run", model="mobilenet_v2_debug", epochs=2, quiet=True, workers=0, split="3:2"
    ).path


@pytest.fixture(scope="module")
def embedding(run: Path) -> Embedding:
    return embed(run, quiet=True)


def test_the_same_images_in_both_planes(run: Path, embedding: Embedding) -> None:
    assert [plane.layer for plane in embedding.planes] == ["expanded_conv.project", "global_average_pooling"]
    assert (embedding.split, len(embedding.names)) == ("validation", 16)
    assert all(plane.points.shape == (16, 2) and np.isfinite(plane.points).all() for plane in embedding.planes)
    said = {line["path"]: line for line in csv.DictReader((run / "predictions.csv").read_text().splitlines())}
    assert [path for path, *_ in embedding.lines()] == list(embedding.names)
    for path, truth, prediction, probability, *_ in embedding.lines():
        assert (said[path]["truth"], said[path]["prediction"]) == (truth, prediction)
        assert float(said[path][f"p_{prediction}"]) == pytest.approx(probability, abs=1e-5)
    assert embedding.suspects is not None
    assert set(embedding.suspect_thumbnails) == {each.image for each in embedding.suspects.doubtful}


@pytest.fixture(scope="module")
def with_a_suspect(run: Path, embedding: Embedding) -> Embedding:
    """The same, as a network that knows all labels but one would give it."""
    assert embedding.suspects is not None
    first, *others = embedding.suspects.images
    sure = [replace(each, likely=False, margin=abs(each.margin)) for each in others]
    suspects = Suspects((replace(first, likely=True, margin=-0.5), *sure), "all")
    header = load(run)[1]
    images = labelled_images(run / "model.safetensors", header, None, None, Console(quiet=True))
    return replace(embedding, suspects=suspects, suspect_thumbnails=_thumbnails(images, header, suspects))


def test_suspects_have_thumbnails(with_a_suspect: Embedding) -> None:
    assert with_a_suspect.suspects is not None
    (named,) = with_a_suspect.suspects.named
    assert list(with_a_suspect.suspect_thumbnails) == [named.image]
    page = render(with_a_suspect).decode()
    assert "1 of 16 labels are likely wrong" in page
    assert page.count('class="likely"') == 1


def test_features_are_means_over_places(run: Path, embedding: Embedding, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is laid out in the plane, and of how many channels, against the network's own feature maps."""
    laid_out: dict[str, np.ndarray[Any, Any]] = {}

    def record(features: np.ndarray[Any, Any], name: str, perplexity: float) -> Any:
        laid_out[name] = features
        return to_plane(features, name, perplexity)

    monkeypatch.setattr("leannet.looks.embedding.to_plane", record)
    again = embed(run, quiet=True)
    network, header = load(run)
    feature_maps: list[torch.Tensor] = []
    network.layer("expanded_conv.project").register_forward_hook(lambda *parts: feature_maps.append(parts[2].clone()))
    root = run.parent / "shapes"
    arrays = np.stack([prepare(read(root / name), header.preprocessing) for name in embedding.names])
    with torch.no_grad():
        inputs = normalize(torch.from_numpy(arrays).permute(0, 3, 1, 2), header.preprocessing)
        feature_maps.append(network.forward_features(inputs))
    for plane, plane_again, maps in zip(embedding.planes, again.planes, feature_maps, strict=True):
        features = maps.mean((2, 3)).numpy()
        np.testing.assert_allclose(laid_out[plane.layer], features, rtol=1e-5, atol=1e-6)
        assert plane.channels == features.shape[1]
        assert plane.near_features == near_share(features, embedding.labels)
        np.testing.assert_array_equal(plane.points, to_plane(laid_out[plane.layer]))
        np.testing.assert_array_equal(plane.points, plane_again.points)


def test_images_that_trained_it_are_not_doubted(run: Path) -> None:
    seen = embed(run, split="train", layers=["Conv_1"], limit=12, quiet=True)
    assert (seen.split, len(seen.names), seen.suspects) == ("train", 12, None)
    assert b"None are listed" in render(seen)
    for name in ("map.htm", "no/map.html"):
        with pytest.raises(LeannetError, match=r"expected a (name ending in \.html|file name in a folder)"):
            verb.command(str(run), out=[run / name])
    with pytest.raises(LeannetError, match="cannot doubt"):
        verb.command(str(run), split="train", suspects=run / "s.csv")
    with pytest.raises(LeannetError, match="no layer 'Conv_2'"):
        embed(run, layers=["Conv_2"], quiet=True)
    with pytest.raises(LeannetError, match="expected 10 images or more, found 4"):
        embed(run, str(draw_folder(run.parent / "few", each=2, kinds=("disc", "square <b>&"), first=90)), quiet=True)


def test_the_page_is_whole_and_fetches_nothing(embedding: Embedding) -> None:
    page = render(embedding).decode()

    class Tags(HTMLParser):
        fetched: list[str]

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            self.fetched += [value or "" for name, value in attributes if name in {"src", "href"}]

    tags = Tags()
    tags.fetched = []
    tags.feed(page)
    assert all(address.startswith("data:") for address in tags.fetched)
    assert "@import" not in page
    assert "<b>&" not in page  # class names are text, whatever they look like
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    data: dict[str, Any] = json.loads(text[1])
    assert data["names"] == list(embedding.names)
    assert len(data["planes"]) == 2
    assert 0 <= min(data["planes"][0][0]) < max(data["planes"][0][0]) <= 1000
    assert embedding.suspects is not None
    assert len(embedding.suspects.images) == 16
    assert len(re.findall("<li[ >]", page)) == len(embedding.suspects.doubtful) < 16


def test_the_verb(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, table, doubts = tmp_path / "map.svg", tmp_path / "map.csv", tmp_path / "doubts.csv"
    page = tmp_path / "map.html"
    verb.command(str(run), layer=["block_2"], out=[out, page], csv=table, suspects=doubts, json=True, quiet=True)
    data = json.loads(capsys.readouterr().out)
    assert data["images"] == 16
    assert data["layers"][0]["layer"] == "block_2"
    assert data["suspects"]["evaluated"] == len(list(csv.DictReader(doubts.read_text().splitlines()))) == 16
    lines = list(csv.DictReader(table.read_text().splitlines()))
    assert {line["class"] for line in lines} == {"disc", "square <b>&"}
    assert set(lines[0]) == {"path", "class", "prediction", "probability", "x_block_2", "y_block_2"}
    assert "hollow" in out.read_text()
    assert data["out"] == [str(out), str(page)]
    assert page.read_text().startswith("<!doctype html>")
    with pytest.raises(LeannetError, match="--layer ''"):
        verb.command(str(run), layer=["block_2", ""], out=[out])


def test_dollars_are_dollars_in_the_legend(embedding: Embedding, tmp_path: Path) -> None:
    draw(replace(embedding, classes=("$math_{x}$", "a" * 80)), tmp_path / "map.svg")
    said = (tmp_path / "map.svg").read_text()
    assert ">$math_{x}$<" in said
    assert f">{'a' * 11}…{'a' * 12}<" in said


def test_a_figure_of_two_planes(embedding: Embedding, tmp_path: Path) -> None:
    draw(embedding, tmp_path / "map.png")
    assert read(tmp_path / "map.png").size[0] == int(6.4 * 144)


def test_the_page_by_keyboard_on_a_telephone(browser: Any, with_a_suspect: Embedding, tmp_path: Path) -> None:
    embedding = with_a_suspect
    (tmp_path / "map.html").write_bytes(render(embedding))
    problems: list[str] = []
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"file://{tmp_path}/map.html")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.focus(".plane")
    page.keyboard.press("Home")
    assert page.text_content("#name") == embedding.names[0]
    places = set()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp") * 3:
        page.keyboard.press(key)
        places.add(page.text_content("#name"))
    assert len(places) > 3
    assert page.locator(".thumb").is_visible()
    page.locator(".switch").first.click()
    hidden = page.evaluate("[...document.querySelectorAll('.plane path')].filter((m) => !m.checkVisibility()).length")
    assert hidden == 2 * int((embedding.labels == 0).sum())
    page.locator("[data-point]").first.click()
    assert page.evaluate("document.activeElement.classList.contains('plane')")
    page.close()
    assert problems == []
