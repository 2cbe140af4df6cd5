import pytest

from earmark.errors import ConfigError, FailedFile
from earmark.inference.classifier import load_model
from earmark.inference.predict import predict
from earmark.inference.predictions import Prediction


@pytest.fixture
def sounds(tmp_path, write_clip):
    for number in range(3):
        write_clip(tmp_path / "in" / f"{number}.wav", seed=number)
    (tmp_path / "in" / "1.wav").write_text("text")
    return tmp_path / "in"


def names(results):
    return [one.path.name for one in results]


def test_a_folder_a_file_a_pattern_and_several_of_them(sounds):
    model = load_model("speech-music")
    results = predict(model, sounds)
    assert names(results) == ["0.wav", "1.wav", "2.wav"]
    assert [type(one) for one in results] == [Prediction, FailedFile, Prediction]
    assert predict(model, str(sounds / "0.wav")) == results[:1]
    assert names(predict(model, f"{sounds}/[02].wav")) == ["0.wav", "2.wav"]
    assert names(predict(model, [sounds / "2.wav", sounds])) == ["2.wav", "0.wav", "1.wav"]


def test_segments_and_settings(sounds):
    (result,) = predict(
        "speech-music", sounds / "0.wav", segments=True, settings=["predict.silence_db=0"]
    )
    assert result.segments == ()
    assert result.abstained == "silence"


@pytest.mark.parametrize("more", [{"device": "cpu"}, {"settings": ["predict.overlap=0.5"]}])
def test_a_model_that_is_open_keeps_its_device_and_settings(sounds, more):
    with pytest.raises(ConfigError, match="load_model"):
        predict(load_model("speech-music"), sounds, **more)
