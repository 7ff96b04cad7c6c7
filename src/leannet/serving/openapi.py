"""The OpenAPI 3.1 description of the server, written by hand, because request bodies are parsed by hand."""

from typing import Any

from leannet.serving.limits import Limits
from leannet.tasks import Task

Json = dict[str, Any]
_TEXT, _NUMBER, _COUNT = {"type": "string"}, {"type": "number"}, {"type": "integer", "minimum": 0}
# Of each task what the server does, what it answers, and what of that can be asked for.
WORDS = {
    "classify": ("Classifies images", "The most likely classes of images", "classes"),
    "detect": ("Finds objects in images", "The most likely objects in images, with their boxes", "objects"),
}
_IMAGE = {"type": "string", "contentMediaType": "application/octet-stream", "minLength": 1}


def openapi_document(limits: Limits, version: str, task: Task) -> Json:
    """The document, with the sizes of `limits`, for a network of that task."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "leannet serve",
            "version": version,
            "description": f"{WORDS[task.name][0]} with a small network. Every refusal is one line of JSON.",
        },
        "paths": {
            "/predict": {"post": _predict(limits, task)},
            "/health": {"get": _health()},
            "/model": {"get": _get("model", "The network: classes, preprocessing and cost.", "Model")},
            "/metrics": {"get": _metrics()},
            "/openapi.json": {"get": _get("openapi", "This document.", None)},
        },
        "components": {"schemas": _schemas(task), "headers": {"Retry-After": {"schema": _COUNT}}},
    }


def _predict(limits: Limits, task: Task) -> Json:
    files = {"type": "array", "items": _IMAGE, "minItems": 1, "maxItems": limits.files}
    form = {"type": "object", "required": ["file"], "properties": {"file": files}, "additionalProperties": False}
    refusals = {
        400: "No image, a form that is cut off, or a field other than `file`.",
        408: f"The body did not arrive within {limits.seconds:g} s. The connection is closed.",
        413: f"More than {limits.body_bytes:,} bytes, or more than {limits.pixels:,} pixels in an image.",
        415: "Another Content-Type, or a compressed body.",
        422: f"A file is no image or damaged, there are more than {limits.files}, or `top` is not an integer above 0.",
    }
    return {
        "operationId": "predict",
        "summary": f"{WORDS[task.name][1]}.",
        "parameters": [
            {
                "name": "top",
                "in": "query",
                "description": f"How many {WORDS[task.name][2]} to return.",
                "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999, "default": task.most(None)},
            }
        ],
        "requestBody": {
            "required": True,
            "description": f"Images: at most {limits.body_bytes:,} bytes together and {limits.pixels:,} pixels each.",
            "content": {
                "multipart/form-data": {"schema": form},
                "image/*": {"schema": _IMAGE},
                "application/octet-stream": {"schema": _IMAGE},
            },
        },
        "responses": {"200": _answer("A prediction for each image, in order.", "Predictions")}
        | {str(status): _answer(description, "Error") for status, description in refusals.items()}
        | {"503": _busy("The queue is full.", "Error")},
    }


def _health() -> Json:
    operation = _get("health", "Whether the server accepts an image now.", "Health")
    operation["responses"]["503"] = _busy("Not now: the queue is full.", "Health")
    return operation


def _metrics() -> Json:
    operation = _get("metrics", "Counters in Prometheus' text format.", None)
    operation["responses"]["200"]["content"] = {"text/plain": {"schema": _TEXT}}
    return operation


def _get(name: str, summary: str, schema: str | None) -> Json:
    busy = _busy("Too many requests are in progress.", "Error")
    return {"operationId": name, "summary": summary, "responses": {"200": _answer(summary, schema), "503": busy}}


def _answer(description: str, schema: str | None) -> Json:
    content = {"$ref": f"#/components/schemas/{schema}"} if schema else {"type": "object"}
    return {"description": description, "content": {"application/json": {"schema": content}}}


def _busy(description: str, schema: str) -> Json:
    return _answer(description, schema) | {"headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}}


def _prediction(task: Task) -> Json:
    path = {"type": "string", "description": "The last part of the file name as sent, or image 0, image 1, ..."}
    if task.name == "detect":
        box = {"type": "array", "items": _NUMBER, "minItems": 4, "maxItems": 4,
               "description": "Left, top, right, bottom in pixels of the image."}  # fmt: skip
        objects = _object({"class": _TEXT, "score": _NUMBER, "box": box})
        listed = {"type": "array", "items": objects, "description": "The most likely first."}
        return _object({"path": path, "width": _COUNT, "height": _COUNT, "objects": listed})
    ranked = _object({"class": _TEXT, "probability": _NUMBER})
    top = {"type": "array", "items": ranked, "description": "The most likely first."}
    return _object({"path": path, "prediction": _TEXT, "probability": _NUMBER, "top": top})


def _schemas(task: Task) -> Json:
    times = _object({"queue": _NUMBER, "prepare": _NUMBER, "network": _NUMBER})
    times["description"] = "Of the slowest image: waiting, decoding and resizing, and the run of its batch."
    model = {
        "name": _TEXT,
        "digest": _TEXT,
        "task": {"type": "string", "enum": list(WORDS)},
        "classes": {"type": "array", "items": _TEXT},
        "preprocessing": {"type": "object"},
        "params": _COUNT,
        "macs": _COUNT,
        "precision": _TEXT,
        "size_bytes": _COUNT,
    }
    return {
        "Prediction": _prediction(task),
        "Predictions": _object({
            "model": _TEXT,
            "predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Prediction"}},
            "milliseconds": times,
        }),
        "Health": _object({"ready": {"type": "boolean"}, "model": _TEXT, "digest": _TEXT}),
        "Model": _object(model),
        "Error": _object({"error": {"type": "string", "description": "One line: expected, found, what to do."}}),
    }  # fmt: skip


def _object(properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}
