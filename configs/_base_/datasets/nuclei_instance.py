# Nuclei in microscopy images: small objects of one class, up to 375 in an image, masks as RLE.
dataset_type = "CocoDataset"
data_root = "data/nuclei/"
classes = ("nucleus",)

# Half of the nuclei are under 18 pixels wide, hardly two points of the finest level's stride of 8:
# everything is shown to the network at about twice its size.
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
    # sides of 128 to 208 pixels, which become 320: 1.5 to 2.5 times the size, and first the crop,
    # so that what is cut off is not enlarged
    dict(type="RandomCrop", crop_size=(128, 208), crop_type="absolute_range"),
    dict(type="Resize", scale=(320, 320), keep_ratio=True),
    # under a microscope there is no up and down
    dict(type="RandomFlip", prob=[0.25] * 3, direction=["horizontal", "vertical", "diagonal"]),
    # stains and exposures differ more than those of photographs
    dict(type="PhotoMetricDistortion"),
    # stride is model.mask_head.mask_out_stride
    dict(type="PrepareMaskTargets", stride=2),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale_factor=2.0),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        metainfo=dict(classes=classes),
        ann_file="annotations/instances_train.json",
        data_prefix=dict(img="train/"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        metainfo=dict(classes=classes),
        ann_file="annotations/instances_val.json",
        data_prefix=dict(img="val/"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type="CocoMetric",
    ann_file=data_root + "annotations/instances_val.json",
    metric=["bbox", "segm"],
    # all objects count: the busiest image has 375, and AP is read at the last number
    proposal_nums=(1, 10, 500),
)
test_evaluator = val_evaluator
