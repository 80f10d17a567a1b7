"""Compares what the CDK example synthesizes, and what Terraform deploys, with infra/authorizer.yaml.

Usage: same.py FOLDER, with the output of `npm run synth`, and the packages of .ci/sam.txt.
"""

import json
import pathlib
import re
import sys

import plain
from report import check
from template import ROOT


def main():
    ours = json.loads(plain.made())
    nested = sorted(pathlib.Path(sys.argv[1]).glob("*.nested.template.json"))
    check("nested stacks of the CDK example", 2, len(nested))
    for file in nested:
        theirs = json.loads(file.read_text())
        for section in ["Parameters", "Conditions", "Rules"]:
            check(f"{file.name}: {section} are the same", True, ours[section] == theirs[section])
        for name, resource in ours["Resources"].items():
            other = theirs["Resources"].get(name)
            other = other and {key: value for key, value in other.items() if key != "Metadata"}
            if other != resource:
                raise SystemExit(f"{file.name}: {name} differs:\n{resource}\n{other}")
        check(f"{file.name}: resources are the same", len(ours["Resources"]), len(theirs["Resources"]))
        check(f"{file.name}: outputs are the same", True,
              set(ours["Outputs"]) <= set(theirs["Outputs"]))
    used = (ROOT / "infra/terraform/main.tf").read_text()
    check("Terraform deploys the same file", True, 'file("${path.module}/../authorizer.json")' in used)
    given = set(re.findall(r"^ {4}([A-Z]\w+) += ", used, re.M))
    check("  with each parameter", sorted(ours["Parameters"]), sorted(given))


if __name__ == "__main__":
    main()
