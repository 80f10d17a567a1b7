"""Writes what the executables are made of: tollgate.cdx.json (CycloneDX 1.6) and LICENSES.txt.

Usage: sbom.py OUT VERSION. Reads `cargo metadata` and Cargo.lock.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import uuid
from datetime import datetime, timezone

ROOT = pathlib.Path(__file__).resolve().parents[3]
SHIPPED = ["tollgate-authorizer", "plans", "notices", "admin"]
TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
LICENCE_FILES = re.compile(r"^(licen[cs]e|copying|notice|unlicense)", re.I)


def parts():
    """The packages that the executables are made of, by id, and what each depends on."""
    packages, edges = {}, {}
    for target in TARGETS:
        said = json.loads(subprocess.run(
            ["cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform",
             target], cwd=ROOT, check=True, capture_output=True, text=True).stdout)
        known = {package["id"]: package for package in said["packages"]}
        nodes = {node["id"]: node for node in said["resolve"]["nodes"]}
        left = [id for id, package in known.items() if package["name"] in SHIPPED]
        seen = set(left)
        while left:
            id = left.pop()
            needed = {dep["pkg"] for dep in nodes[id]["deps"]
                      if any(kind["kind"] != "dev" for kind in dep["dep_kinds"])}
            packages[id] = known[id]
            edges.setdefault(id, set()).update(needed)
            left += needed - seen
            seen |= needed
    return packages, edges


def checksums():
    lock = (ROOT / "Cargo.lock").read_text()
    found = re.findall(r'name = "(.*)"\nversion = "(.*)"\n(?:source = .*\n)?checksum = "(.*)"', lock)
    return {(name, version): checksum for name, version, checksum in found}


def reference(package):
    """A package URL. Those of this repository are on no registry, where others have their names."""
    kind = "cargo" if package["source"] else "generic"
    return f"pkg:{kind}/{package['name']}@{package['version']}"


def standard_library():
    """The standard library of Rust, which each executable has a copy of."""
    said = subprocess.run(["rustc", "-V"], check=True, capture_output=True, text=True).stdout
    return {"name": "rust-std", "version": said.split()[1], "source": None,
            "license": "MIT OR Apache-2.0"}


def component(package, checksum):
    made = {"type": "library", "bom-ref": reference(package), "name": package["name"],
            "version": package["version"], "purl": reference(package)}
    if package.get("license"):
        # Older packages write `/` where SPDX has `OR`.
        expression = re.sub(r"\s*/\s*", " OR ", package["license"])
        made["licenses"] = [{"expression": expression}]
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return made


def main():
    out, version = pathlib.Path(sys.argv[1]), sys.argv[2]
    packages, edges = parts()
    order = sorted(packages.values(), key=lambda it: (it["name"], it["version"]))
    known = checksums()
    components = [component(it, known.get((it["name"], it["version"]))) for it in order]
    std = standard_library()
    components.append(component(std, None))
    when = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", 0)), timezone.utc)
    root = f"pkg:generic/tollgate@{version}"
    shipped = [reference(std)] + [reference(it) for it in order if it["name"] in SHIPPED]
    bom = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components))}",
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "application", "bom-ref": root, "name": "tollgate",
                          "version": version},
        },
        "components": components,
        "dependencies": [{"ref": root, "dependsOn": shipped}] + [
            {"ref": reference(it),
             "dependsOn": sorted(reference(packages[id]) for id in edges[it["id"]])}
            for it in order],
    }
    (out / "tollgate.cdx.json").write_text(json.dumps(bom, indent=1) + "\n")

    texts, without = {}, [f"rust-std {std['version']} ({std['license']})"]
    for it in order:
        folder = pathlib.Path(it["manifest_path"]).parent
        files = sorted(file for file in folder.iterdir()
                       if file.is_file() and LICENCE_FILES.match(file.name))
        if not it["source"]:
            files = [ROOT / "LICENSE"]
        title = f"{it['name']} {it['version']} ({it.get('license') or 'see the text'})"
        if not files:
            without.append(title)
        for file in files:
            texts.setdefault(file.read_text(errors="replace").strip(), []).append(title)
    sections = ["Licences of what Tollgate's executables are made of.\n"]
    for text, titles in texts.items():
        sections.append("==== " + "\n     ".join(dict.fromkeys(titles)) + f" ====\n\n{text}\n")
    sections.append("==== Without a text of their own; those of the named licences are above ====\n\n"
                 + "\n".join(without) + "\n")
    (out / "LICENSES.txt").write_text("\n".join(sections))
    print(f"tollgate.cdx.json: {len(components)} components; LICENSES.txt: {len(texts)} texts, "
          f"{len(without)} packages without one")


if __name__ == "__main__":
    main()
