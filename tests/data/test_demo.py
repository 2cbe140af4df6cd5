from earmark.data.demo import demo_data
from earmark.data.manifest import read_manifest


def test_the_recordings_of_the_package_are_a_data_set_with_licences():
    with demo_data() as folder:
        manifest = read_manifest(folder)
        assert any((folder / "licences").iterdir())
    assert len(manifest) == 130
    assert manifest.labels == ("music", "speech")
