# COCO 2017 instances. The folder is data/coco/, or that of the environment variable
# CONDINST_DATA_ROOT, or that of --cfg-options data_root=FOLDER/.
dataset_type = "CocoDataset"
# the stripping lets the folder be given with or without its last slash
data_root = "{{$CONDINST_DATA_ROOT:data/coco}}".rstrip("/") + "/"
backend_args = None

train_pipeline = [
    dict(type="LoadImageFromFile", backend_args=backend_args, imdecode_backend="pillow"),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
    dict(
        type="RandomChoiceResize",
        scales=[(1333, side) for side in (640, 672, 704, 736, 768, 800)],
        keep_ratio=True,
        backend="pillow",
    ),
    dict(type="RandomFlip", prob=0.5),
    # the data workers make the mask targets; stride is model.mask_head.mask_out_stride
    dict(type="PrepareMaskTargets", stride=4),
    dict(type="PackDetInputs"),
]
# Annotations are loaded after the resize: they stay at the size of the original image, like the
# predictions that they are drawn beside.
test_pipeline = [
    dict(type="LoadImageFromFile", backend_args=backend_args, imdecode_backend="pillow"),
    dict(type="Resize", scale=(1333, 800), keep_ratio=True, backend="pillow"),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    batch_sampler=dict(type="AspectRatioBatchSampler"),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file="annotations/instances_train2017.json",
        data_prefix=dict(img="train2017/"),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=train_pipeline,
        backend_args=backend_args,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    pin_memory=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file="annotations/instances_val2017.json",
        data_prefix=dict(img="val2017/"),
        test_mode=True,
        pipeline=test_pipeline,
        backend_args=backend_args,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type="CocoMetric",
    ann_file=data_root + "annotations/instances_val2017.json",
    metric=["bbox", "segm"],
    format_only=False,
    backend_args=backend_args,
)
test_evaluator = val_evaluator
