"""Packs executables and templates of one architecture, with the same bytes whenever it runs.

Usage: pack.py EXECUTABLES ARCHITECTURE OUT VERSION release|debug

Debug builds may need any glibc.
"""

import gzip
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
FUNCTIONS = {"authorizer": ["authorizer", "plans"], "notices": ["notices"]}
# Amazon Linux 2023's.
GLIBC = (2, 34)
# What deploys the packages, without Rust.
DEPLOYMENT = ["infra/authorizer.json", "infra/cdk", "infra/terraform", "infra/examples", "infra/cost",
              "infra/COSTS.md", "infra/GLOSSARY.md", "infra/README.md"]
MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}


def check_executable(file, architecture, mode):
    machine = int.from_bytes(file.read_bytes()[18:20], "little")
    if machine != MACHINES[architecture]:
        sys.exit(f"{file} is not built for {architecture}: build it for that target")
    symbols = subprocess.run(["objdump", "-T", file], check=True, capture_output=True, text=True).stdout
    needed = max(tuple(map(int, version.split(".")))
                 for version in re.findall(r"GLIBC_([0-9.]+)", symbols))
    if mode == "release" and needed[:2] > GLIBC:
        sys.exit(f"{file} needs glibc {'.'.join(map(str, needed))}: link with zig, for 2.34 or older")
    return ".".join(map(str, needed))


def package(executable, out):
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        # A fixed time: 1980, the first that a zip can have.
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o100755 << 16
        entry.create_system = 3
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, executable.read_bytes())


def tar(out, files):
    """Packs files, by their names in the archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, file in files.items():
            entry = tarfile.TarInfo(name)
            content = file.read_bytes()
            # A zip, which people make of examples, cannot have a time before 1980.
            entry.mtime = int(os.environ.get("SOURCE_DATE_EPOCH", 315_532_800))
            entry.size, entry.mode = len(content), 0o755 if os.access(file, os.X_OK) else 0o644
            archive.addfile(entry, io.BytesIO(content))
    out.write_bytes(gzip.compress(packed.getvalue(), 9, mtime=0))


def command_line(executable, out, version):
    tar(out, {f"tollgate-{version}/tollgate": executable, f"tollgate-{version}/LICENSE": ROOT / "LICENSE"})


def deployment(out):
    """The CDK construct, the Terraform module, the examples, and the guides."""
    known = subprocess.run(["git", "ls-files", *DEPLOYMENT], cwd=ROOT, check=True, capture_output=True,
                           text=True).stdout.splitlines()
    tar(out, {name: ROOT / name for name in sorted(known) if "/axum/" not in name})


def template(name, architecture, out):
    """A template that takes its packages from beside it, and no other architecture."""
    text = (ROOT / f"infra/{name}.yaml").read_text()
    text, count = re.subn(
        r"    Metadata:\n      BuildMethod: rust-cargolambda\n"
        r"      BuildProperties: \{Binary: (\w+)\}\n(.*?      CodeUri: )\S+",
        rf"\2\1-{architecture}.zip", text, flags=re.S)
    assert count == len(FUNCTIONS[name]), (name, count)
    text, count = re.subn(r"(  Architecture:\n.*?AllowedValues: )\[arm64, x86_64\]\n    Default: arm64",
                          rf"\1[{architecture}]\n    Default: {architecture}", text, flags=re.S)
    assert count == 1, name
    text = text.replace("LicenseUrl: ../LICENSE", "LicenseUrl: LICENSE")
    (out / f"{name}-{architecture}.yaml").write_text(text)


def main():
    built, architecture, out, version, mode = sys.argv[1:]
    built, out = pathlib.Path(built), pathlib.Path(out)
    for name, functions in FUNCTIONS.items():
        for function in functions:
            glibc = check_executable(built / function, architecture, mode)
            file = out / f"{function}-{architecture}.zip"
            package(built / function, file)
            print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB, glibc {glibc}")
        template(name, architecture, out)
    glibc = check_executable(built / "tollgate", architecture, mode)
    file = out / f"tollgate-{architecture}-linux.tar.gz"
    command_line(built / "tollgate", file, version)
    print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB, glibc {glibc}")
    deployment(out / "infra.tar.gz")
    for name in ["infra/authorizer.json", "infra/README.md", "LICENSE"]:
        shutil.copyfile(ROOT / name, out / pathlib.Path(name).name)


if __name__ == "__main__":
    main()
