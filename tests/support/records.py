"""Records of scenes that tests make up."""

from pathlib import Path

from ilrm_cli.scene.record import SceneRecord, encode_record


def write_record(path: Path, record: SceneRecord) -> None:
    path.write_bytes(encode_record(record))
