"""The description of the server for programs: OpenAPI 3.1, written by hand, since bodies are read by hand."""

from typing import Any

from leannet.serving.limits import Limits

Json = dict[str, Any]
_TEXT, _NUMBER, _WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer", "minimum": 0}
_IMAGE = {"type": "string", "contentMediaType": "application/octet-stream", "minLength": 1}


def described(limits: Limits, version: str) -> Json:
    """The document. Its sizes are those of `limits`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "leannet serve",
            "version": version,
            "description": "What a small network says of images. Every refusal is one line of JSON.",
        },
        "paths": {
            "/predict": {"post": _predict(limits)},
            "/health": {"get": _health()},
            "/model": {"get": _get("model", "The network: classes, preprocessing, cost.", "Model")},
            "/metrics": {"get": _metrics()},
            "/openapi.json": {"get": _get("openapi", "This document.", None)},
        },
        "components": {"schemas": _schemas(), "headers": {"Retry-After": {"schema": _WHOLE}}},
    }


def _predict(limits: Limits) -> Json:
    many = {"type": "array", "items": _IMAGE, "minItems": 1, "maxItems": limits.files}
    form = {"type": "object", "required": ["file"], "properties": {"file": many}, "additionalProperties": False}
    refusals = {
        400: "No image, a form that is cut off, or a field other than `file`.",
        408: f"The body was not there within {limits.seconds:g} s. The connection is closed.",
        413: f"More than {limits.body_bytes:,} bytes, or more than {limits.pixels:,} pixels in an image.",
        415: "Another Content-Type, or a compressed body.",
        422: f"What was sent is no whole image, there are over {limits.files}, or `top` is no number above 0.",
    }
    return {
        "operationId": "predict",
        "summary": "The likeliest classes of images.",
        "parameters": [
            {
                "name": "top",
                "in": "query",
                "description": "How many classes to name.",
                "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999, "default": 5},
            }
        ],
        "requestBody": {
            "required": True,
            "description": f"Images, {limits.body_bytes:,} bytes together, {limits.pixels:,} pixels each.",
            "content": {
                "multipart/form-data": {"schema": form},
                "image/*": {"schema": _IMAGE},
                "application/octet-stream": {"schema": _IMAGE},
            },
        },
        "responses": {"200": _answer("Of each image, in order.", "Predictions")}
        | {str(status): _answer(words, "Error") for status, words in refusals.items()}
        | {"503": _busy("The queue is full.", "Error")},
    }


def _health() -> Json:
    found = _get("health", "Whether an image would be taken now.", "Health")
    found["responses"]["503"] = _busy("Not now: the queue is full.", "Health")
    return found


def _metrics() -> Json:
    found = _get("metrics", "Counters in Prometheus' text format.", None)
    found["responses"]["200"]["content"] = {"text/plain": {"schema": _TEXT}}
    return found


def _get(name: str, words: str, schema: str | None) -> Json:
    busy = _busy("Too many requests are under way.", "Error")
    return {"operationId": name, "summary": words, "responses": {"200": _answer(words, schema), "503": busy}}


def _answer(words: str, schema: str | None) -> Json:
    content = {"$ref": f"#/components/schemas/{schema}"} if schema else {"type": "object"}
    return {"description": words, "content": {"application/json": {"schema": content}}}


def _busy(words: str, schema: str) -> Json:
    return _answer(words, schema) | {"headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}}


def _schemas() -> Json:
    likely = _object({"class": _TEXT, "probability": _NUMBER})
    prediction = _object({
        "path": {"type": "string", "description": "The last part of the name that was given, or image 0, image 1, ..."},
        "prediction": _TEXT,
        "probability": _NUMBER,
        "top": {"type": "array", "items": likely, "description": "The likeliest first."},
    })  # fmt: skip
    times = _object({"queue": _NUMBER, "prepare": _NUMBER, "network": _NUMBER})
    times["description"] = "Of the slowest image: waiting, decoding and resizing, and the batch that it was in."
    model = {
        "name": _TEXT,
        "digest": _TEXT,
        "classes": {"type": "array", "items": _TEXT},
        "preprocessing": {"type": "object"},
        "params": _WHOLE,
        "macs": _WHOLE,
        "precision": _TEXT,
        "size_bytes": _WHOLE,
    }
    return {
        "Prediction": prediction,
        "Predictions": _object({
            "model": _TEXT,
            "predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Prediction"}},
            "milliseconds": times,
        }),
        "Health": _object({"ready": {"type": "boolean"}, "model": _TEXT, "digest": _TEXT}),
        "Model": _object(model),
        "Error": _object({"error": {"type": "string", "description": "Expected, found, what to do: one line."}}),
    }  # fmt: skip


def _object(properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}
