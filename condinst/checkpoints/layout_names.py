"""List the layouts of state dicts; needs no PyTorch."""

LAYOUTS = {
    "condinst": "our names, which are mmdet 3.x's",
    "mmdet2": "mmdet before 3.0, and ports of CondInst to it",
    "original": "the original CondInst and BoxInst (AdelaiDet on detectron2)",
    "detectron2-backbone": "a ResNet of detectron2",
    "caffe2-backbone": "a ResNet of MSRA's, in caffe2's names, as detectron2 downloads it",
    "torchvision-backbone": "a ResNet of torchvision",
}
"""The layouts that can be read."""
