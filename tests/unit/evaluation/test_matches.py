"""Ground truth as flat arrays."""

from condinst.evaluation.matches import read_truth


def test_categories_are_in_the_order_of_their_ids():
    """Classes are numbered by ascending COCO id, whatever the order of a model's labels."""
    entries = [
        dict(id=i, image_id=1, category_id=c, bbox=[0, 0, 2, 2]) for i, c in ((1, 7), (2, 3))
    ]
    dataset = dict(
        images=[dict(id=1, height=4, width=4)],
        categories=[dict(id=3, name="a"), dict(id=7, name="b")],
        annotations=[entry | dict(area=4, iscrowd=0) for entry in entries],
    )
    truth = read_truth(dataset, [7, 3, 7], "a.json")
    assert truth.category_ids == [3, 7]
    assert truth.categories.tolist() == [1, 0]
