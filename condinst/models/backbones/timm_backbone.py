"""Backbones from timm's image models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from condinst.models.backbones.timm_models import build_features, fetched_weights, weights_of_file
from condinst.registry import MODELS

# Strides of the levels C2 to C5 of a ResNet, which necks expect.
_PYRAMID = (4, 8, 16, 32)


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """A timm model without its classifier that returns several levels (``features_only``).

    The neck's ``in_channels`` must be ``backbone.out_channels``. To read it for a model::

        python -c "from condinst.models import TimmBackbone as T; b = T('NAME'); print(
            b.out_channels, b.strides)"

    ``init_weights`` downloads or reads the weights before training. A model whose weights come from
    a CondInst checkpoint needs neither network nor file.

    Args:
        model_name: name as in ``timm.list_models()``, with or without the tag of its weights, for
            example ``convnext_tiny.fb_in22k_ft_in1k``.
        out_indices: timm's indices of the levels to return, which differ between models; None for
            the levels with strides 4, 8, 16 and 32.
        pretrained: whether training starts from timm's weights, downloaded or from the cache.
        checkpoint_path: file to start from instead, timm's or your own, with timm's parameter
            names; ``.pth`` or ``.safetensors``.
        in_channels: channels of the images; timm's weights are adapted to other numbers than 3.
        frozen_stages: timm's index of the last level to freeze, with all modules before it; -1
            freezes nothing.
        norm_eval: whether batch norms use their running averages in training.
        init_cfg: as in mmengine.
        **kwargs: arguments of the timm model, for example ``drop_path_rate=0.1``.

    Raises:
        ImportError: timm is not installed.
        ValueError: timm has no such model, or the model has no such levels.
    """

    def __init__(
        self,
        model_name: str,
        out_indices: Sequence[int] | None = None,
        pretrained: bool = False,
        checkpoint_path: str | None = None,
        in_channels: int = 3,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(init_cfg)
        sources = dict(pretrained=pretrained, checkpoint_path=checkpoint_path, init_cfg=init_cfg)
        given = [name for name, value in sources.items() if value]
        if len(given) > 1:
            raise ValueError(f"backbone.{' and backbone.'.join(given)}: expected one of them")
        self.model_name = model_name
        self.pretrained = pretrained
        self.checkpoint_path = checkpoint_path
        self.norm_eval = norm_eval
        self.kwargs = {"in_chans": in_channels, **kwargs}
        if out_indices is None:
            out_indices = self._pyramid_indices()
        elif not out_indices or list(out_indices) != sorted(set(out_indices)):
            # timm returns the levels in the model's order, whatever the order of the indices
            raise ValueError(
                f"backbone.out_indices={tuple(out_indices)}: expected increasing indices"
            )
        self.out_indices = tuple(out_indices)
        self.net: Any = build_features(model_name, self.out_indices, self.kwargs)
        self.out_channels: list[int] = self.net.feature_info.channels()
        self.strides: list[int] = self.net.feature_info.reduction()
        self._channels_last = str(getattr(self.net, "output_fmt", "NCHW")).endswith("NHWC")
        self._frozen = self._modules_up_to(frozen_stages)
        for module in self._frozen:
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)

    def _pyramid_indices(self) -> list[int]:
        levels = build_features(self.model_name, None, self.kwargs).feature_info.info
        strides = [level["reduction"] for level in levels]
        if not set(_PYRAMID) <= set(strides):
            raise ValueError(
                f"backbone.model_name={self.model_name!r}: its levels have the strides {strides}, "
                f"expected {list(_PYRAMID)} among them; choose levels by backbone.out_indices, and "
                "set neck.in_channels, neck.start_level and bbox_head.strides to fit, or choose "
                "another model"
            )
        return [max(i for i, s in enumerate(strides) if s == stride) for stride in _PYRAMID]

    def _modules_up_to(self, level: int) -> list[nn.Module]:
        """Return all modules up to a level's last one; timm registers them in the order of use."""
        levels = self.net.feature_info.info
        if not -1 <= level < len(levels):
            raise ValueError(
                f"backbone.frozen_stages={level}: expected -1 to {len(levels) - 1} for "
                f"{self.model_name!r}"
            )
        if level == -1:
            return []
        path = levels[level]["module"]
        names = [name for name, _ in self.net.named_modules()]
        # some of timm's wrappers flatten "stages.0" to "stages_0" or put a name in front
        ends = [
            i
            for i, name in enumerate(names)
            for own in (path, path.replace(".", "_", 1), f"model.{path}", f"body.{path}")
            if name == own or name.startswith(f"{own}.")
        ]
        if not ends:
            raise ValueError(
                f"backbone.frozen_stages={level}: level {path!r} of {self.model_name!r} is not a "
                "module of its own, or not among those in use; expected -1 for this model"
            )
        return [module for _, module in self.net.named_modules()][: max(ends) + 1]

    def init_weights(self) -> None:
        """Load the weights of timm, of a file or of ``init_cfg``; else keep timm's initialization.

        Raises:
            ConnectionError: timm's weights cannot be downloaded.
            FileNotFoundError: ``checkpoint_path`` does not exist.
            ValueError: the file is damaged or does not fit the model, or timm has no weights for
                the model.
        """
        if self.init_cfg:
            super().init_weights()
        elif self.pretrained:
            self.net.load_state_dict(
                fetched_weights(self.model_name, self.out_indices, self.kwargs)
            )
        elif self.checkpoint_path:
            self.net.load_state_dict(
                weights_of_file(
                    self.checkpoint_path, self.model_name, self.out_indices, self.kwargs
                )
            )

    def train(self, mode: bool = True) -> TimmBackbone:
        """Set the mode; frozen modules, and batch norms with ``norm_eval``, keep eval mode."""
        super().train(mode)
        if mode:
            for module in self._frozen:
                module.training = False
            for module in self.modules():
                if self.norm_eval and isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the levels of a batch.

        Args:
            images: (B, in_channels, H, W).

        Returns:
            For each level (B, out_channels[i], H_i, W_i); H_i is H / strides[i], rounded as the
            model rounds.
        """
        levels = self.net(images)
        if self._channels_last:  # (B, H_i, W_i, C_i) to (B, C_i, H_i, W_i)
            levels = [level.permute(0, 3, 1, 2) for level in levels]
        return tuple(levels)
