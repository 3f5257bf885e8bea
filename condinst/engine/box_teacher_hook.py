"""BoxTeacher: a moving average of the weights teaches masks (Cheng et al., CVPR 2023)."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from condinst.models.box_teacher import add_pseudo_masks
from condinst.registry import HOOKS

__all__ = ["BoxTeacherHook"]


@HOOKS.register_module()
class BoxTeacherHook(EMAHook):
    """Let the moving average of the weights predict masks that the model learns from.

    The model is one that learns masks from boxes. Its projection and pairwise losses stay; objects
    with a mask of their own keep their mask loss. The teacher's masks begin when the warm-up of the
    pairwise loss ends (``warmup_iters``).

    The teacher sees the image that ``KeepTeacherImage`` has kept, or the model's own image where
    the pipeline has no such step. It is no part of the model: validations and checkpoints have the
    teacher's weights under the model's names, as with mmengine's ``EMAHook``, and the trained
    weights go to ``ema_state_dict``, from which a training is resumed.

    Args:
        iou_thr: least IoU of a box and the teacher's box whose mask it gets, from 0 to 1.
        momentum: weight of the trained weights in an update of the teacher; 0.001 keeps 0.999 of
            the teacher.
        update_buffers: whether the running statistics of norms are averaged as the weights are;
            those of the last iterations would not fit averaged weights.
        kwargs: see mmengine's ``EMAHook``.

    Raises:
        ValueError: ``iou_thr`` is not from 0 to 1, and, before the first iteration, the model does
            not learn from boxes, or there is another moving average.
    """

    def __init__(
        self,
        iou_thr: float = 0.5,
        momentum: float = 0.001,
        update_buffers: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(momentum=momentum, update_buffers=update_buffers, **kwargs)
        if not 0 <= iou_thr <= 1:
            raise ValueError(f"BoxTeacherHook: iou_thr={iou_thr!r}, expected 0 to 1")
        self.iou_thr = iou_thr

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if getattr(getattr(self.src_model, "mask_head", None), "boxes", None) is None:
            raise ValueError(
                "custom_hooks has BoxTeacherHook, but the model does not learn masks from boxes: "
                "expected model.type='BoxInst', or box_supervision=dict() in model.mask_head (of "
                "RTMDet-Ins, in model.bbox_head)"
            )
        if sum(isinstance(hook, EMAHook) for hook in runner.hooks) > 1:
            raise ValueError(
                "custom_hooks has BoxTeacherHook and another moving average of the weights "
                "(EMAHook): expected one of them"
            )
        self.ema_model.eval()

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Add the teacher's masks to the annotations of a batch, on the way to the model."""
        assert data_batch is not None
        samples = data_batch["data_samples"]
        images = [
            sample.pop("teacher_img", image)
            for sample, image in zip(samples, data_batch["inputs"], strict=True)
        ]
        if runner.iter < self.src_model.mask_head.boxes.warmup_iters:
            return
        teacher = self.ema_model.module
        with torch.no_grad(), runner.optim_wrapper.optim_context(teacher):
            inputs = teacher.data_preprocessor(dict(inputs=images), False)["inputs"]
            add_pseudo_masks(teacher, inputs, samples, self.iou_thr)
