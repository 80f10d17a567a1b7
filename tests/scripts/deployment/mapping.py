"""Tests that no value of a caller can change the structure of a backend call.

Renders every mapping template of every example with hostile bodies, headers, queries, paths and
claims. The Velocity engine is the package `airspeed`; `$util` is implemented here, as AWS documents
it. Usage: mapping.py, with the packages of .ci/sam.txt.
"""

import json
import re
import unittest
import urllib.parse

import airspeed

from template import mapped

# Velocity keeps backslashes in string literals, and so does API Gateway.
airspeed.StringLiteral.ESCAPED_CHAR = re.compile(r"(?!)")
airspeed.InterpolatedStringLiteral.ESCAPED_CHAR = re.compile(r"(?!)")

HOSTILE = [
    "", "maria", "o'neil", 'a"b', "a\\b", "a\\'b\\", "\\", "'", '"', "\\\"", "\n\r\t\b\f\x00\x1f",
    "é\u2028\u2029🦀", "a&Action=DeleteTopic", "a&b=c", "a=b", "a+b %26 %2526", "#set($x = 1)$x",
    "$context.authorizer.principalId", "${input}", "$util.urlEncode('x')", "</script>", "../../x",
    '"}', '"}, "stateMachineArn": "other', '\\", \\"caller\\": \\"admin', '", "caller": "admin',
    '\\\\", \\\\"caller\\\\": \\\\"admin', '{"caller": "admin"}', "'; drop", "?acl", "%00",
]
ESCAPES = {"\\": "\\\\", '"': '\\"', "'": "\\'", "/": "\\/", "\n": "\\n", "\r": "\\r", "\t": "\\t",
           "\b": "\\b", "\f": "\\f"}


def units(text):
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[at:at + 2], "big") for at in range(0, len(data), 2)]


class Text(str):
    """Java's string, as far as the templates use it."""

    def replaceAll(self, pattern, replacement):
        return Text(re.sub(pattern, lambda _: replacement, self))


class Util:
    """API Gateway's `$util`."""

    @staticmethod
    def escapeJavaScript(text):
        plain = lambda unit: chr(unit) if 32 <= unit < 127 else f"\\u{unit:04X}"
        return Text("".join(ESCAPES.get(chr(unit)) or plain(unit) for unit in units(text)))

    @staticmethod
    def urlEncode(text):
        return Text(urllib.parse.quote_plus(text, safe="*-._").replace("~", "%7E"))


class Input:
    """API Gateway's `$input`, with the same text wherever a caller can put one."""

    def __init__(self, text):
        self.body = Text(text)

    def params(self, _name):
        return self.body


def render(template, text):
    known = {"util": Util(), "input": Input(text),
             "context": {"authorizer": {"principalId": Text(text)}}}
    return airspeed.Template(template).merge(known)


MAPPED = {place: integration["requestTemplates"]["application/json"]
          for place, integration in mapped().items()}


def form(rendered):
    pairs = urllib.parse.parse_qsl(rendered, keep_blank_values=True, strict_parsing=True)
    assert len(pairs) == len(dict(pairs)), rendered
    return dict(pairs)


class Mapping(unittest.TestCase):
    def each(self, path, method="post"):
        return [(text, render(MAPPED["services.yaml", path, method], text)) for text in HOSTILE]

    def test_each_template_has_its_test(self):
        self.assertEqual(set(MAPPED), {
            ("services.yaml", "/messages", "post"), ("services.yaml", "/runs", "post"),
            ("services.yaml", "/files/{name}", "get"), ("template.yaml", "/orders", "options"),
            ("template.yaml", "/orders/{proxy+}", "options"),
        })

    def test_a_message_is_one_value_of_the_form(self):
        for text, rendered in self.each("/messages"):
            attribute = "MessageAttributes.entry.1"
            self.assertEqual(form(rendered), {
                "Action": "Publish", "TopicArn": "Topic", "Message": text,
                f"{attribute}.Name": "caller", f"{attribute}.Value.DataType": "String",
                f"{attribute}.Value.StringValue": text}, text)

    def test_a_caller_is_one_text_in_the_input_of_a_run(self):
        for text, rendered in self.each("/runs"):
            call = json.loads(rendered)
            self.assertEqual(set(call), {"stateMachineArn", "input"}, text)
            self.assertEqual(call["stateMachineArn"], "Machine", text)
            self.assertEqual(json.loads(call["input"]), {"caller": text}, text)

    def test_nothing_is_sent_with_a_file_or_a_preflight(self):
        for text, rendered in self.each("/files/{name}", "get"):
            self.assertEqual(rendered, "", text)
        for path in ["/orders", "/orders/{proxy+}"]:
            for text in HOSTILE:
                rendered = render(MAPPED["template.yaml", path, "options"], text)
                self.assertEqual(json.loads(rendered), {"statusCode": 204})

    def test_a_template_that_escapes_once_too_few_is_found(self):
        """The checks above would fail for these, which is what they are for."""
        once = '{"input": "{\\"caller\\": \\"$util.escapeJavaScript($context.authorizer.principalId)\\"}"}'
        raw = "Message=$input.body"
        with self.assertRaises(ValueError):
            json.loads(json.loads(render(once, 'a"b'))["input"])
        forged = json.loads(json.loads(render(once, '", "caller": "admin'))["input"])
        self.assertEqual(forged, {"caller": "admin"})
        with self.assertRaises(ValueError):
            json.loads(render('{"a": "$util.escapeJavaScript($input.body)"}', "o'neil"))
        self.assertEqual(form(render(raw, "a&Action=x")), {"Message": "a", "Action": "x"})


if __name__ == "__main__":
    unittest.main()
