"""mmdet's inferencer reads the config of a checkpoint as plain values."""

import pytest
import torch
from mmdet.apis import DetInferencer


@pytest.mark.parametrize("place", ["meta", "message_hub"])
def test_the_text_of_a_config_is_not_run(tmp_path, place):
    ran = tmp_path / "ran"
    text = f"open({str(ran)!r}, 'w')\nmodel = dict(type='CondInst')\n"
    content = {"state_dict": {}, "meta": {"cfg": text}}
    if place == "message_hub":
        content["message_hub"] = {"runtime_info": {"cfg": text}}
    file = tmp_path / "file.pth"
    torch.save(content, file)
    with pytest.raises(ValueError, match="file.pth: .*name the config"):
        DetInferencer(weights=str(file), device="cpu")
    assert not ran.exists()
