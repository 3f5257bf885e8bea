# The centerness branch learns how well its box fits: the original's FCOS.BOX_QUALITY="iou".
_base_ = "./condinst_r50-caffe_fpn_ms-1x_coco_instance.py"

model = dict(bbox_head=dict(box_quality="iou"))
