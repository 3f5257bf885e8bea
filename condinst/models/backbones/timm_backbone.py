"""Any of timm's image models as a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from condinst.models.backbones.timm_models import build_features, fetched_weights, weights_of_file
from condinst.registry import MODELS

# What the levels C2 to C5 of a ResNet have, and necks expect.
_PYRAMID = (4, 8, 16, 32)


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """A timm model without its classifier, which hands out several levels (``features_only``).

    ``backbone.out_channels`` is what the neck's ``in_channels`` has to be. To read it for a model::

        python -c "from condinst.models import TimmBackbone as T; b = T('NAME'); print(
            b.out_channels, b.strides)"

    Weights are fetched or read by ``init_weights``, that is before training: a model that is built
    for a checkpoint of its own needs neither network nor file.

    Args:
        model_name: as in ``timm.list_models()``, with or without the tag of its weights, for
            example ``convnext_tiny.fb_in22k_ft_in1k``.
        out_indices: timm's indices of the levels to hand out, which differ from model to model;
            with None, the levels with strides 4, 8, 16 and 32.
        pretrained: whether training starts from timm's weights, fetched from the internet or found
            in the cache.
        checkpoint_path: a file of timm's or of your own to start from instead, with timm's names;
            ``.pth`` or ``.safetensors``.
        in_channels: channels of the images; timm's weights are adapted to others than 3.
        frozen_stages: every level of the model up to this one of timm's indices is kept as it is,
            with all that comes before it; -1 freezes nothing.
        norm_eval: whether batch norms keep their running averages in training.
        init_cfg: as in mmengine.
        **kwargs: timm's, for example ``drop_path_rate=0.1``.

    Raises:
        ImportError: timm is not installed.
        ValueError: timm has no such model, or the model no such levels.
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
            # timm hands the levels out in the model's order whatever the indices' order is
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
        """The modules up to a level's last one; timm registers modules in the order of use."""
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
        # some wrappers of timm's flatten "stages.0" to "stages_0", or put a name in front
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
        """Start from timm's weights, a file's or ``init_cfg``'s; else as timm initializes.

        Raises:
            ConnectionError: timm's weights cannot be fetched.
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or does not fit the model, or timm has no weights.
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
        """Frozen modules, and with ``norm_eval`` all batch norms, stay in evaluation mode."""
        super().train(mode)
        if mode:
            for module in self._frozen:
                module.training = False
            for module in self.modules():
                if self.norm_eval and isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, in_channels, H, W) -> for each level (B, out_channels[i], H_i, W_i).

        H_i is H / strides[i], rounded as the model rounds.
        """
        levels = self.net(images)
        if self._channels_last:
            levels = [level.permute(0, 3, 1, 2) for level in levels]
        return tuple(levels)
