"""Test the reader of CVAT's XML for images."""

import numpy as np
import pytest
from two_images import FIRST, H, W, boxed, check

from condinst.dataset_converters import import_data


def test_cvat_for_images(tmp_path, two_images, all_objects, note):
    two_images("images/{}.png")
    rle = "5,3,12,5,5"  # of a box of 6 x 5
    entries = "".join(
        f"""<image id="{i}" name="{n}.png" width="{W}" height="{H}">
        <polygon label="car" source="manual" occluded="0" z_order="0"
          points="10.00,10.00;30.00,10.00;30.00,25.00;10.00,25.00"></polygon>
        <mask label="bus" source="manual" occluded="0" rle="{rle}" left="40" top="30" width="6"
          height="5" z_order="0"></mask>
        <polyline label="car" points="1,1;5,5"></polyline>
        <box label="car" xtl="1" ytl="40" xbr="9" ybr="50"></box></image>"""
        for i, n in enumerate("ab")
    )
    (tmp_path / "annotations.xml").write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta>'
        f"<task><name>x</name></task></meta>{entries}</annotations>"
    )
    imported = import_data(tmp_path, tmp_path / "out")
    small = np.zeros(30, bool)
    small[5:8], small[20:25] = True, True
    bus = np.zeros((H, W), bool)
    bus[30:35, 40:46] = small.reshape(5, 6)
    expected = [("car", FIRST), ("bus", bus), ("car", boxed(1, 40, 9, 50))]
    check(all_objects, imported, expected)
    assert "from the boxes elsewhere" in note(imported, "2 objects have a box and no outline")
    assert import_data(tmp_path / "annotations.xml", tmp_path / "out").format == "cvat"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotations><image name="&x;"/></annotations>', "DOCTYPE"),
        ("<annotations><track/></annotations>", "CVAT's export for videos"),
        ("<annotations><image>", "not XML"),
        ('<annotations><image name="a.png" width="5" height="5"/></annotations>', "100 x 60"),
        (
            f'<annotations><image name="a.png" width="{W}" height="{H}"><mask label="a" left="99" '
            'top="0" width="5" height="1" rle="5"/></image></annotations>',
            "leaves the image",
        ),
    ],
)
def test_cvat_files_that_are_wrong(tmp_path, two_images, text, message):
    two_images()
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(ValueError, match=message):
        import_data(tmp_path, tmp_path / "out", fmt="cvat")
