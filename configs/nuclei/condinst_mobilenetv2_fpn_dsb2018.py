# CondInst for benchmarks/nuclei_stardist.py: fluorescence images of the 2018 Data Science Bowl,
# whose masks are measured one to one. The script sets data_root and the number of iterations.
_base_ = "./nuclei_condinst_mobilenetv2_fpn.py"

data_root = "data/dsb2018/"

model = dict(
    test_cfg=dict(
        # the score is chosen on the validation images, and label maps leave out hidden duplicates:
        # boxes of nuclei that touch overlap more than the nuclei do
        score_thr=0.05,
        nms=dict(type="nms", iou_threshold=0.7),
        # the busiest image has 375 nuclei
        max_per_img=600,
    ),
)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
    # sides of 112 to 224 pixels, which become 320: 1.4 to 2.9 times the size; tests enlarge twice
    dict(type="RandomCrop", crop_size=(112, 224), crop_type="absolute_range"),
    dict(type="Resize", scale=(320, 320), keep_ratio=True),
    dict(type="RandomFlip", prob=[0.25] * 3, direction=["horizontal", "vertical", "diagonal"]),
    # exposures differ by a factor of ten
    dict(type="PhotoMetricDistortion", contrast_range=(0.4, 1.8)),
    dict(type="PrepareMaskTargets", stride=2),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file="annotations/instances_train.json",
        data_prefix=dict(img="train/"),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))

max_iters = 1500
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=50, end=max_iters),
]
default_hooks = dict(checkpoint=dict(interval=max_iters, max_keep_ckpts=1, save_best=None))

# the metric that is reported, with the threshold that is best on the validation images
val_evaluator = [
    dict(
        type="CocoMetric",
        ann_file=data_root + "annotations/instances_val.json",
        metric=["bbox", "segm"],
        proposal_nums=(1, 10, 600),
    ),
    dict(
        type="MatchingMetric",
        ann_file=data_root + "annotations/instances_val.json",
        score_thr="best",
        min_visible=0.5,
    ),
]
test_evaluator = val_evaluator

# the four mirrored views of test-time augmentation: condinst test --tta
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale_factor=2.0),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="RandomFlip", prob=0.0),
                dict(type="RandomFlip", prob=1.0, direction="horizontal"),
                dict(type="RandomFlip", prob=1.0, direction="vertical"),
                dict(type="RandomFlip", prob=1.0, direction="diagonal"),
            ],
            [
                dict(
                    type="PackDetInputs",
                    meta_keys=(
                        "img_id",
                        "img_path",
                        "ori_shape",
                        "img_shape",
                        "scale_factor",
                        "flip",
                        "flip_direction",
                    ),
                )
            ],
        ],
    ),
]
