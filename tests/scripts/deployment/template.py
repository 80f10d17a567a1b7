"""CloudFormation's templates as data, and what becomes of their functions."""

import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as the long ones."""


def short_form(loader, tag, node):
    name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if tag == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", short_form)


def read(path):
    """A template below the repository's root, with every function in its long form."""
    return yaml.load((ROOT / path).read_text(), Loader)


class Stack:
    """A template with parameters: what CloudFormation would make of a value in it."""

    def __init__(self, template, **parameters):
        self.template = template
        known = template["Parameters"]
        self.parameters = {name: str(spec["Default"]) for name, spec in known.items()
                           if "Default" in spec} | parameters
        self.parameters |= {
            "AWS::StackName": "tollgate", "AWS::Region": "us-east-1", "AWS::Partition": "aws",
            "AWS::AccountId": "123456789012", "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/tollgate/"
                            "7f2c3a10-c0de-11f0-8b2e-0e1a2b3c4d5e",
        }

    def refused(self):
        """The parameters that CloudFormation's validation refuses."""
        wrong = set()
        for name, spec in self.template["Parameters"].items():
            value = self.parameters[name]
            if spec["Type"] == "Number":
                number = int(value)
                if not spec.get("MinValue", number) <= number <= spec.get("MaxValue", number):
                    wrong.add(name)
            if "AllowedValues" in spec and value not in map(str, spec["AllowedValues"]):
                wrong.add(name)
            if "AllowedPattern" in spec and not re.fullmatch(spec["AllowedPattern"], value):
                wrong.add(name)
            if len(value) > spec.get("MaxLength", len(value)):
                wrong.add(name)
        return sorted(wrong)

    def holds(self, condition):
        (name, operands), = condition.items()
        if name == "Condition":
            return self.holds(self.template["Conditions"][operands])
        if name == "Fn::Equals":
            one, other = (self.value(operand) for operand in operands)
            return one == other
        if name == "Fn::Not":
            return not self.holds(operands[0])
        test = {"Fn::Or": any, "Fn::And": all}[name]
        return test(self.holds(operand) for operand in operands)

    def value(self, value):
        """Evaluates a value; a resource stands for itself by its name."""
        if isinstance(value, list):
            return [self.value(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, operand), = value.items()
            if name == "Ref":
                return self.parameters.get(operand, operand)
            if name == "Fn::GetAtt":
                return ".".join(operand)
            if name == "Fn::If":
                condition, yes, no = operand
                held = self.holds(self.template["Conditions"][condition])
                return self.value(yes if held else no)
            if name == "Fn::Join":
                between, parts = operand
                return between.join(self.value(parts))
            if name == "Fn::Split":
                between, text = operand
                return self.value(text).split(between)
            if name == "Fn::Select":
                at, entries = operand
                return self.value(entries)[int(at)]
            if name == "Fn::Sub":
                text, names = operand if isinstance(operand, list) else (operand, {})
                known = self.parameters | {name: self.value(given) for name, given in names.items()}
                # Fn::Sub does not look into what it puts in.
                return re.sub(r"\$\{([^!}]+)\}", lambda m: str(known.get(m[1], m[1])), text)
        return {name: self.value(entry) for name, entry in value.items()}


def mapped():
    """Each integration with request templates, by file, path and method, with its values evaluated."""
    found = {}
    for file in [ROOT / "infra/template.yaml", *sorted((ROOT / "infra/examples").glob("*.yaml"))]:
        template = read(file.relative_to(ROOT))
        stack = Stack(template, **{name: "parameter" for name in template["Parameters"]})
        for resource in template["Resources"].values():
            body = resource.get("Properties", {}).get("DefinitionBody") or {}
            for path, methods in body.get("paths", {}).items():
                for method, operation in methods.items():
                    integration = operation["x-amazon-apigateway-integration"]
                    if "requestTemplates" in integration:
                        found[file.name, path, method] = stack.value(integration)
    return found
