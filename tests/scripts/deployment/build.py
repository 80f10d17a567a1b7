"""Runs `sam build` in a copy of infra/ with each architecture, and with `cargo` replaced.

The replacement records how it was called, and makes an executable where cargo-lambda would. So this
tests that parameters.yaml reaches the build, and that each function has its executable.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from report import check
from template import ROOT

CARGO = """#!{python}
import json, os, pathlib, sys
arguments = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps(arguments) + "\\n")
if arguments[:1] == ["metadata"]:
    print(json.dumps({{"target_directory": os.getcwd() + "/target"}}))
elif arguments[:2] == ["lambda", "build"]:
    name = arguments[arguments.index("--bin") + 1]
    folder = pathlib.Path("target/lambda") / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bootstrap").write_text(name)
"""


def main():
    pinned = re.search(r"^aws-sam-cli==1\.(\d+)", (ROOT / ".ci/sam.txt").read_text(), re.M)
    check("SAM CLI is 1.156 or newer", True, int(pinned[1]) >= 156)
    with tempfile.TemporaryDirectory(prefix="tollgate-build-") as folder:
        folder = pathlib.Path(folder)
        for path in ["authorizer", "infra"]:
            shutil.copytree(ROOT / path, folder / path, ignore=shutil.ignore_patterns(
                "src", "tests", "cdk", "node_modules", ".aws-sam", "local", "admin", "table"))
        log, cargo = folder / "log", folder / "bin/cargo"
        cargo.parent.mkdir()
        cargo.write_text(CARGO.format(python=sys.executable, log=str(log)))
        cargo.chmod(0o755)
        shutil.copy(cargo, folder / "bin/cargo-lambda")
        environment = os.environ | {"PATH": f"{cargo.parent}:{os.environ['PATH']}",
                                    "SAM_CLI_TELEMETRY": "0"}
        parameters = folder / "infra/parameters.yaml"
        for architecture in ["arm64", "x86_64"]:
            text = parameters.read_text()
            parameters.write_text(re.sub(r"Architecture: \w+", f"Architecture: {architecture}", text))
            log.write_text("")
            ran = subprocess.run(
                [pathlib.Path(sys.executable).parent / "sam", "build"], cwd=folder / "infra",
                env=environment, capture_output=True, text=True, check=False)
            if ran.returncode:
                raise SystemExit(ran.stdout + ran.stderr)
            calls = [json.loads(line) for line in log.read_text().splitlines()]
            built = [call for call in calls if call[:2] == ["lambda", "build"]]
            check(f"{architecture}: executables", ["authorizer", "notices", "orders", "plans"],
                  sorted(call[call.index("--bin") + 1] for call in built))
            check(f"{architecture}: built for arm64", {architecture == "arm64"},
                  {"--arm64" in call for call in built})
            made = sorted((folder / "infra/.aws-sam/build").rglob("bootstrap"))
            check(f"{architecture}: packages", 4, len(made))


if __name__ == "__main__":
    main()
