import pytest

from tests.recipes.blobs import write_blobs


@pytest.fixture(scope="session")
def blob_views(tmp_path_factory):
    return write_blobs(tmp_path_factory.mktemp("views") / "train", 5)


@pytest.fixture(scope="session")
def dev_views(tmp_path_factory):
    return write_blobs(tmp_path_factory.mktemp("views") / "dev", 2, first=50)
