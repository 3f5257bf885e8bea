"""The only room that knows the age of mmcv, mmengine or mmdet."""


def apply() -> None:
    """Placeholder until the fixes land."""
