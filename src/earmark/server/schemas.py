"""What the answers look like, for the OpenAPI document."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

LABELS = {"music": 0.031, "speech": 0.982}
PREDICTED: dict[str, Any] = {
    "model": "speech-music",
    "path": "morning.mp3",
    "labels": ["speech"],
    "probabilities": LABELS,
    "duration_seconds": 12.5,
}
SEGMENT = {"start": 0.0, "end": 12.5, "label": "speech", "probability": 0.982}


class Segment(BaseModel):
    """A labelled part of a sound, in seconds."""

    start: float
    end: float
    label: str
    probability: float


class Note(BaseModel):
    """Something in a readable file that its user should know."""

    kind: str
    text: str


class Result(BaseModel):
    """A file by a model, as a line of ``earmark predict --json``: a prediction or an error."""

    model_config = ConfigDict(json_schema_extra={"examples": [PREDICTED]})

    model: str = Field(description="Name of the model.")
    path: str = Field(description="Name of the file; - for a body that is a sound by itself.")
    label: str | None = Field(None, description="The label; null where the model abstained.")
    labels: list[str] = Field([], description="Instead of label, for models of several labels.")
    abstained: str = Field("", description="Why there is no label.")
    probabilities: dict[str, float] = Field({}, description="Of each label, calibrated.")
    novelty: float = Field(0.0, description="How unlike the sound of training it is.")
    duration_seconds: float = 0.0
    segments: list[Segment] = Field([], description="When each label is heard.")
    seconds_by_label: dict[str, float] = {}
    notes: list[Note] = Field([], description="What was noticed in the file.")
    error: str = Field("", description="Why there is no prediction, in one line.")
    fault: str = Field("", description="The same in one word, for programs.")


class Results(BaseModel):
    """Files first, then models, both in the order in which they were given."""

    results: list[Result]


class Model(BaseModel):
    """A model that is served."""

    name: str
    labels: list[str] = Field(description="Those that may be predicted.")
    task: Literal["binary", "multi_class", "multi_label"]
    sample_rate: int = Field(description="In Hz; any other rate is resampled to it.")
    window_seconds: float
    hop_seconds: float = Field(description="Step of the windows of segments and live streams.")


class Models(BaseModel):
    """The first is that of requests that name none."""

    models: list[Model]


class Status(BaseModel):
    """Of the service."""

    status: Literal["ok", "starting"]


class Error(BaseModel):
    """Why a request was not answered."""

    error: str = Field(description="One line.")


BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One or more sound files of any format as multipart/form-data, whatever "
        "the fields are called; or a sound file as the body, of any other media type.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                },
                "encoding": {"file": {"contentType": "application/octet-stream"}},
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "audio/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

NO_TOKEN: dict[str, Any] = {"security": []}

_REASONS = {
    400: "The body ends early, or is no valid form.",
    401: "The token is wrong or missing.",
    403: "The request is of a page from another site, or to a wrong host name.",
    404: "No such model.",
    413: "The body is too large.",
    422: "None of the files could be predicted, or a parameter is wrong.",
    429: "The queue is full; Retry-After says when to try again.",
    503: "The service is shutting down.",
    504: "It took too long.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": text} for status, text in _REASONS.items()
}
ERRORS[422] = {"model": Results | Error, "description": _REASONS[422]}
