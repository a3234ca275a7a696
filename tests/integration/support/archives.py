# SPDX-License-Identifier: GPL-2.0-or-later
"""Image archives made by hand, good and bad, and a look into the layers that brig makes of them."""

import contextlib
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def entry(path, data=None, **attributes):
    """(TarInfo, data): a file if there is data, a folder if path ends in '/', else as attributes say."""
    info = tarfile.TarInfo(path.rstrip("/") or ".")
    info.type = tarfile.REGTYPE if data is not None else tarfile.DIRTYPE
    info.mode = 0o644 if data is not None else 0o755
    info.mtime = 1_000_000_000
    for name, value in attributes.items():
        setattr(info, name, value)
    if data is not None:
        info.size = len(data)
    return info, data


def symlink(path, target):
    return entry(path, type=tarfile.SYMTYPE, linkname=target)


def hardlink(path, target):
    return entry(path, type=tarfile.LNKTYPE, linkname=target)


def device(path, kind, major, minor):
    return entry(path, type=kind, devmajor=major, devminor=minor)


def tar(*entries, format=tarfile.PAX_FORMAT):
    """The bytes of a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def config(layers, **settings):
    """An image configuration for the uncompressed layers."""
    return {"architecture": "amd64", "os": "linux", "created": "2020-01-02T03:04:05Z", "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}" for layer in layers]}}


def encode(document):
    return document if isinstance(document, bytes) else json.dumps(document).encode()


class Oci:
    """An OCI layout in the making: {path: bytes}."""

    def __init__(self):
        self.files = {"oci-layout": encode({"imageLayoutVersion": "1.0.0"})}
        self.manifests = []

    def blob(self, data, media_type):
        self.files[f"blobs/sha256/{sha256(data)}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{sha256(data)}", "size": len(data)}

    def manifest(self, layers, settings=None, compress=gzip.compress, change=lambda document: None):
        """Adds an image of uncompressed layers; change(document) may spoil its manifest."""
        document = {
            "schemaVersion": 2,
            "config": self.blob(encode(config(layers, **(settings or {}))),
                                "application/vnd.oci.image.config.v1+json"),
            "layers": [self.blob(compress(layer), "application/vnd.oci.image.layer.v1.tar+gzip")
                       for layer in layers]}
        change(document)
        return self.blob(encode(document), "application/vnd.oci.image.manifest.v1+json")

    def add(self, name, *layers, **options):
        described = self.manifest(layers, **options)
        if name:
            described["annotations"] = {"org.opencontainers.image.ref.name": name}
        self.manifests.append(described)
        return self

    def all_files(self):
        return {"index.json": encode({"schemaVersion": 2, "manifests": self.manifests}), **self.files}

    def write(self, folder):
        for path, data in self.all_files().items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder

    def archive(self, path):
        path.write_bytes(tar(*(entry(name, data) for name, data in self.all_files().items())))
        return path


def docker_archive(path, images):
    """What `docker save` writes. images: [(names, layers, settings)]"""
    files, manifest = {}, []
    for names, layers, settings in images:
        text = encode(config(layers, **settings))
        files.update({f"{sha256(layer)}.tar": layer for layer in layers})
        files[f"{sha256(text)}.json"] = text
        manifest.append({"Config": f"{sha256(text)}.json", "RepoTags": names,
                         "Layers": [f"{sha256(layer)}.tar" for layer in layers]})
    files["manifest.json"] = encode(manifest)
    path.write_bytes(tar(*(entry(name, data) for name, data in files.items())))
    return path


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=120,
                          **options).stdout


@contextlib.contextmanager
def mounted(*arguments):
    """mount(8) with these arguments, on a new folder."""
    with tempfile.TemporaryDirectory(prefix="brig-mount-") as folder:
        run("mount", *arguments, folder)
        try:
            yield Path(folder)
        finally:
            run("umount", folder)


def layer_path(brig, diff_id):
    return brig.root / "layers" / f"{diff_id}.erofs"


@contextlib.contextmanager
def layer_of(brig, reference, which=0):
    """A layer of an image, mounted."""
    diff_id = json.loads(brig("image", "inspect", reference).out)["layers"][which]
    with mounted("-t", "erofs", "-o", "ro", layer_path(brig, diff_id)) as folder:
        yield folder


@contextlib.contextmanager
def image_of(brig, reference):
    """An image, mounted as a container has it: its layers joined by overlayfs."""
    diff_ids = json.loads(brig("image", "inspect", reference).out)["layers"]
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(mounted("-t", "erofs", "-o", "ro", layer_path(brig, diff_id)))
                   for diff_id in diff_ids]
        empty = stack.enter_context(tempfile.TemporaryDirectory(prefix="brig-empty-"))
        lower = ":".join(map(str, [*reversed(folders), empty]))
        yield stack.enter_context(mounted("-t", "overlay", "overlay", "-o", f"ro,lowerdir={lower}"))


def leftovers(brig):
    """What is in the store though no image is: files below images, layers and tmp."""
    expected = {".lock", "oci-layout", "index.json"}
    return sorted(str(path.relative_to(brig.root)) for folder in ("images", "layers", "tmp")
                  for path in (brig.root / folder).rglob("*")
                  if not (path.is_dir() and folder == "images") and path.name not in expected)
