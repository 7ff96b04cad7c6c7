"""The server gives the answers of `predict` over HTTP, and describes itself."""

import asyncio
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import leannet
from leannet.serving.app import PATHS
from leannet.serving.batching import Batcher
from leannet.serving.limits import Limits
from tests.conftest import draw
from tests.serving.bad import BAD
from tests.serving.client import IMAGE, Running, encoded, one_line, running


def test_the_answers_are_those_of_predict(small: Running, tmp_path: Path) -> None:
    """Formats, colors, transparency, orientation."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = draw("square", 4, 90).resize((90, 50))
    files = {
        "a.png": encoded(image),
        "b.jpg": encoded(image, "JPEG", exif=exif.tobytes()),
        "c.webp": encoded(image.convert("L"), "WEBP", lossless=True),
        "d.gif": encoded(image.quantize(16), "GIF"),
        "ü e.png": encoded(Image.merge("RGBA", (*image.split(), image.split()[0]))),
        "f.tif": encoded(Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30) * 70), "TIFF"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    expected, broken = leannet.predict(small.artifact, [tmp_path / name for name in files], top=2)
    assert broken == []
    for (name, data), prediction in zip(files.items(), expected, strict=True):
        in_form = small.post((name, data), top=2)
        alone = small.ask("POST", "/predict?top=2", data, {"content-type": "image/x-whatever"})
        for answer, path in ((in_form, name), (alone, "image 0")):
            assert answer.status == 200, answer.body
            assert answer.json["model"] == "mobilenet_v3_debug"
            assert set(answer.json["milliseconds"]) == {"queue", "prepare", "network"}
            (answered,) = answer.json["predictions"]
            assert answered == prediction.to_dict() | {
                "path": path,
                "probability": pytest.approx(prediction.probabilities[0], abs=1e-6),
                "top": [
                    {"class": c, "probability": pytest.approx(p, abs=1e-6)}
                    for c, p in zip(prediction.classes, prediction.probabilities, strict=True)
                ],
            }
    several = small.post(*list(files.items())[:3], top=1)
    assert [row["prediction"] for row in several.json["predictions"]] == [one.classes[0] for one in expected[:3]]


def test_sixteen_clients_at_once_get_the_answers_of_one(artifact: Path) -> None:
    files = [encoded(draw("disc", number, 80)) for number in range(48)]
    with running(artifact, Limits(batch=8)) as server:
        alone = [server.post(("x.png", data)).json["predictions"] for data in files]
        with ThreadPoolExecutor(16) as clients:
            together = list(clients.map(lambda data: server.post(("x.png", data)).json["predictions"], files))
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(
                [each["probability"] for each in one[0]["top"]],
                [each["probability"] for each in other[0]["top"]],
                atol=1e-6,
            )
            assert one[0]["prediction"] == other[0]["prediction"]
        assert server.service.waiting == 0


def test_a_batch_is_what_is_ready() -> None:
    """While the network is busy images gather; then it takes as many as it may, each with its own answer."""
    sizes, go_on = [], threading.Event()

    def network(images: Any) -> Any:
        go_on.wait(10)
        sizes.append(len(images))
        if any(image[0] == 99 for image in images):
            raise ValueError("an engine's")
        return np.stack(images).astype(np.float32)

    async def ask_all() -> list[Any]:
        asked = [asyncio.ensure_future(batcher.ask(np.array([number]))) for number in (*range(10), 99)]
        await asyncio.sleep(0.05)
        go_on.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    batcher = Batcher(network, max_batch=4)
    batcher.start()
    *good, bad = asyncio.run(ask_all())
    assert sizes == [1, 4, 4, 2] or sizes == [4, 4, 3], sizes  # whether the first went in before the others came
    assert isinstance(bad, ValueError)
    first_of_last_batch = sum(sizes[:-1])
    for number, answer in enumerate(good):  # those in the batch of the bad one fail with it, and no other does
        if number >= first_of_last_batch:
            assert isinstance(answer, ValueError)
        else:
            assert answer.values == [number]
    assert asyncio.run(batcher.ask(np.array([5]))).batch == 1
    batcher.stop()
    assert not batcher.alive


def test_every_answer_has_the_headers(small: Running) -> None:
    for path in (*PATHS, "/", "/nothing"):
        headers = small.ask("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


def test_other_origins_may_ask_only_where_they_are_named(artifact: Path) -> None:
    asks = {"origin": "https://a.example", "access-control-request-method": "POST"}
    with running(artifact, cors=["https://a.example"]) as server:
        assert server.ask("OPTIONS", "/predict", headers=asks).headers["access-control-allow-origin"] == asks["origin"]
        refused = server.ask("OPTIONS", "/predict", headers=asks | {"origin": "https://b.example"})
        assert (refused.status, "a.example" in one_line(refused)) == (400, True)
        answer = server.ask("GET", "/model", headers={"origin": "https://a.example"})
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert "access-control-allow-origin" not in server.ask("GET", "/model", headers={"origin": "null"}).headers


def test_the_description_names_what_there_is(small: Running) -> None:
    document = small.ask("GET", "/openapi.json").json
    assert set(document["paths"]) == set(PATHS)
    assert set(document["paths"]["/predict"]["post"]["responses"]) == {"200", "400", "408", "413", "415", "422", "503"}
    for (_, _), status, _ in BAD.values():
        assert str(status) in document["paths"]["/predict"]["post"]["responses"]
    references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))
    assert len(references) > 10
    for reference in references:
        place = document
        for step in reference.split("/"):
            place = place[step]
    for path, schema in (("/model", "Model"), ("/health", "Health")):
        described = document["components"]["schemas"][schema]
        assert set(described["required"]) == set(small.ask("GET", path).json)
    described = document["components"]["schemas"]["Prediction"]["properties"]
    assert set(described) == set(small.post(("a.png", IMAGE)).json["predictions"][0])


def test_model_reveals_no_internals(small: Running) -> None:
    facts = small.ask("GET", "/model").json
    assert facts["classes"] == ["ape", 'b"e\\e', "çat"]
    assert facts["size_bytes"] == small.artifact.stat().st_size
    assert facts["params"] == leannet.count(leannet.architecture("mobilenet_v3_debug", classes=3)).params
    assert not {"provenance", "split", "architecture", "path"} & set(facts)


def test_counters_count(artifact: Path) -> None:
    with running(artifact) as server:
        for _ in range(3):
            assert server.post(("a.png", IMAGE), ("b.png", IMAGE)).status == 200
        server.ask("POST", "/predict")
        server.ask("GET", "/" + "x" * 50)
        text = server.ask("GET", "/metrics").body.decode()
    assert 'leannet_requests_total{path="/predict",status="200"} 3\n' in text
    assert 'leannet_requests_total{path="/predict",status="415"} 1\n' in text
    assert 'leannet_requests_total{path="other",status="404"} 1\n' in text
    assert "leannet_request_seconds_count 3\n" in text
    assert re.search(r"^leannet_batch_images_sum 6\.", text, flags=re.MULTILINE)
    predicted = re.findall(r'leannet_predictions_total\{class="((?:[^"\\]|\\.)*)"\} (\d+)', text)
    assert sum(int(count) for _, count in predicted) == 6
    assert int(re.findall(r"process_resident_memory_bytes (\d+)", text)[0]) > 10_000_000
    for line in text.splitlines():  # the format, as its specification has it
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{(\w+="([^"\\]|\\.)*",?)+\})? [\d.e+-]+', line), line
