"""Write the card of a model, README.md, as the Hugging Face Hub shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from condinst.config.nodes import dataset_layers, type_name

__all__ = ["CardFacts", "license_fields", "model_card", "model_facts"]

# Names of licenses that the Hub knows; another one is "other" with a name.
_LICENSES = {
    "apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "isc", "cc", "cc0-1.0",
    "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0",
    "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
    "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "openrail", "odbl",
    "odc-by", "pddl", "unlicense", "agpl-3.0", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1",
    "lgpl-3.0", "mpl-2.0", "epl-2.0", "eupl-1.2", "afl-3.0", "artistic-2.0", "bsl-1.0", "zlib",
    "wtfpl", "unknown", "other",
}  # fmt: skip
_MOST_CLASSES = 40  # named in a card
_KINDS = {"segm": "mask AP", "bbox": "box AP"}
_COLUMNS = {
    "mAP": "AP",
    "mAP_50": "AP50",
    "mAP_75": "AP75",
    "mAP_s": "small",
    "mAP_m": "medium",
    "mAP_l": "large",
}


@dataclass(frozen=True)
class CardFacts:
    """What the card says.

    Attributes:
        name: name of the model.
        repo: "owner/repo".
        weights: name of the weights' file in the repository.
        license: license of the weights.
        cfg: config of the prediction.
        classes: class names.
        num_parameters: number of weights.
        data: the user's words on the training data; None without any.
        validated_on: name of the dataset that AP was measured on; None if it was not.
        num_images: its number of images; None if it is not known.
        iteration: the iteration of the weights; None if it is not known.
        ap: AP from 0 to 1 by "segm" or "bbox" and COCO's name; negative or None without objects.
        ap_by_class: mask (or box) AP by class.
        score_thr: the score from which on a detection is worth showing.
        image: name of the image in the repository; None without one.
        version: of condinst.
        is_half: whether the weights are rounded to float16, after AP was measured.
    """

    name: str
    repo: str
    weights: str
    license: str
    cfg: Mapping[str, Any]
    classes: Sequence[str]
    num_parameters: int
    version: str
    data: str | None = None
    validated_on: str | None = None
    num_images: int | None = None
    iteration: int | None = None
    ap: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    ap_by_class: Mapping[str, float | None] = field(default_factory=dict)
    score_thr: float | None = None
    image: str | None = None
    is_half: bool = False


def license_fields(license: str) -> dict[str, str]:
    """Return the fields of the card for a license."""
    name = license.strip().lower().replace(" ", "-")
    if name in _LICENSES:
        return {"license": name}
    return {"license": "other", "license_name": name}


def model_facts(cfg: Mapping[str, Any], num_parameters: int) -> dict[str, str]:
    """Return the rows of the card's table on the network."""
    model = cfg["model"]
    backbone = model.get("backbone") or {}
    name = backbone.get("model_name") or backbone.get("type")
    depth = f"-{backbone['depth']}" if "depth" in backbone else ""
    facts = {
        "detector": type_name(model),
        "backbone": f"{name}{depth}",
        "parameters": f"{num_parameters / 1e6:.1f} M",
    }
    pipeline = list(dataset_layers(cfg["test_dataloader"]["dataset"]))[-1].get("pipeline") or []
    resize: Mapping[str, Any] = next((step for step in pipeline if "Resize" in type_name(step)), {})
    size = resize.get("scale")
    if isinstance(size, list | tuple):
        kept = ", the aspect ratio is kept" if resize.get("keep_ratio") else ""
        facts["input"] = f"resized to {' x '.join(map(str, size))}{kept}"
    elif factor := resize.get("scale_factor"):
        facts["input"] = f"scaled by {factor}"
    return facts


def model_card(facts: CardFacts) -> str:
    """Return the text of the card: fields for the Hub, and Markdown.

    Raises:
        ImportError: huggingface_hub is not installed.
    """
    parts = [
        f"---\n{_fields(facts)}\n---",
        f"# {_plain(facts.name)}",
        _task(facts),
    ]
    if facts.image:
        parts.append(f"![Detections of this model]({facts.image})")
    parts += [_usage(facts), _accuracy(facts)]
    if facts.data:
        parts.append(f"## Training data\n\n{facts.data.strip()}")
    rows = model_facts(facts.cfg, facts.num_parameters)
    if facts.iteration is not None:
        rows["iterations"] = f"{facts.iteration:,}"
    rows |= {"license": facts.license, "condinst": facts.version}
    table = "\n".join(f"| {name} | {_plain(value)} |" for name, value in rows.items())
    parts.append(f"## Model\n\n| | |\n| --- | --- |\n{table}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _fields(facts: CardFacts) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="image-segmentation",
            dataset_type="coco",
            dataset_name=facts.validated_on,
            metric_type=f"{kind}_mAP",
            metric_name=_KINDS[kind],
            metric_value=round(value, 4),
        )
        for kind in _KINDS
        if facts.validated_on and (value := _known(facts.ap.get(kind, {}).get("mAP"))) is not None
    ]
    named = license_fields(facts.license)
    data = ModelCardData(
        license=named["license"],
        license_name=named.get("license_name"),
        library_name="condinst",
        pipeline_tag="image-segmentation",
        tags=["instance-segmentation", "condinst", "pytorch"],
        model_name=facts.name if results else None,
        eval_results=results or None,
    )
    return data.to_yaml().strip()


def _task(facts: CardFacts) -> str:
    names = [f"`{_plain(name)}`" for name in facts.classes[:_MOST_CLASSES]]
    more = len(facts.classes) - len(names)
    listed = ", ".join(names) + (f" and {more} more" if more else "")
    count = "one class" if len(facts.classes) == 1 else f"{len(facts.classes)} classes"
    return (
        "This model finds the instances in an image: a box, a class, a score and a mask for each. "
        f"It knows {count}: {listed}."
    )


def _usage(facts: CardFacts) -> str:
    address = f"hf://{facts.repo}/{facts.weights}"
    return f"""## How to use it

The file of weights holds the config, and needs nothing else:

```bash
condinst predict {address} image.jpg --out found
```

```python
from condinst import Predictor

predictor = Predictor("{address}")
results = predictor("image.jpg")
for instance in results:
    print(instance.name, instance.score, instance.box, instance.mask.shape)
```"""


def _accuracy(facts: CardFacts) -> str:
    measured = {
        k: facts.ap[k] for k in _KINDS if _known(facts.ap.get(k, {}).get("mAP")) is not None
    }
    if not measured or not facts.validated_on:
        return "## Accuracy\n\nNo accuracy was stored with these weights."
    images = "" if facts.num_images is None else f", {facts.num_images:,} images"
    rounded = " The weights were rounded to float16 afterwards." if facts.is_half else ""
    lines = [
        "## Accuracy",
        "",
        f"COCO's average precision, from 0 to 1, on {_plain(facts.validated_on)}{images}.{rounded}",
        "",
        f"| | {' | '.join(_COLUMNS.values())} |",
        f"| --- |{' --- |' * len(_COLUMNS)}",
    ]
    for kind, values in measured.items():
        row = " | ".join(_written(values.get(key)) for key in _COLUMNS)
        lines.append(f"| {_KINDS[kind]} | {row} |")
    if len(facts.ap_by_class) > 1:
        lines += ["", "| class | AP |", "| --- | --- |"]
        classes = list(facts.ap_by_class.items())[:_MOST_CLASSES]
        lines += [f"| {_plain(name)} | {_written(value)} |" for name, value in classes]
    if facts.score_thr is not None:
        lines += ["", f"Detections with a score of {facts.score_thr:g} or more are worth showing."]
    return "\n".join(lines)


def _known(value: float | None) -> float | None:
    """Return a value of AP; None for COCO's -1, which says that there are no such objects."""
    return None if value is None or value < 0 else value


def _written(value: float | None) -> str:
    value = _known(value)
    return "-" if value is None else f"{value:.3f}"


def _plain(text: str) -> str:
    """Return a text that stays within its cell and its line of Markdown."""
    return (
        "".join(c if c.isprintable() else " " for c in text).replace("|", "\\|").replace("`", "'")
    )
